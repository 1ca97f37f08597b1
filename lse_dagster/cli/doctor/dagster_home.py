"""What the doctor looks at in Dagster's home: the place, its settings, the pools, the schedules."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lse_dagster.cli.doctor.finding import Finding, good, problem, problem_of, warning
from lse_dagster.cli.running.instance import SETTINGS, dagster_home, open_instance
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lse_dagster.settings import Settings

_SUBJECT = "Dagster home"


def check_dagster(settings: "Settings") -> list[Finding]:
    """The home; and what is set in it, if there is one."""
    home = dagster_home()
    place = _check_place(home)
    if place.level == "problem" or not home.is_dir():
        return [place]
    try:
        with open_instance() as instance:
            return [
                place,
                _check_pools(instance),
                _check_monitoring(instance, home),
                *_check_owners(instance, settings),
                *_check_schedules(instance, settings),
                *_check_endings(instance),
            ]
    except ArchiveError as error:
        return [problem_of(_SUBJECT, error)]


def _check_place(home: Path) -> Finding:
    configured = os.environ.get("DAGSTER_HOME")
    if configured and not Path(os.path.expanduser(configured)).is_absolute():  # noqa: PTH111  as Dagster does
        text = f"DAGSTER_HOME={configured} is not an absolute path; `dagster` refuses it."
        return problem(_SUBJECT, text, f"Put DAGSTER_HOME={home} into .env.")
    if not home.exists():
        return warning(_SUBJECT, f"{home} is not there yet.", "lse dev or lse archive makes it.")
    if not home.is_dir() or not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        next_step = "Make it writable for you, or set DAGSTER_HOME in .env to another directory."
        return problem(_SUBJECT, f"{home} is not a directory that you may write.", next_step)
    if not (home / "dagster.yaml").is_file():
        text = f"{home} has no dagster.yaml: runs are not limited, telemetry is on."
        return warning(_SUBJECT, text, f"cp {SETTINGS} {home}/")
    if not configured:
        text = f"{home}; `dagster` itself does not look there, as DAGSTER_HOME is not set."
        return warning(_SUBJECT, text, f"Put DAGSTER_HOME={home} into .env.")
    return good(_SUBJECT, str(home))


def _check_pools(instance: "DagsterInstance") -> Finding:
    from lse_dagster.defs.project import DRIVE_POOL, LANGSMITH_POOL

    limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    missing = [pool for pool in (LANGSMITH_POOL, DRIVE_POOL) if pool not in limits]
    if missing:
        # The default limit does not hold for the first backfill of a pool that was never set.
        commands = " && ".join(f"dagster instance concurrency set {pool} 1" for pool in missing)
        return warning("pools", f"Not set by name: {', '.join(missing)}.", commands)
    if closed := [pool for pool in (LANGSMITH_POOL, DRIVE_POOL) if limits[pool] == 0]:
        commands = " && ".join(f"dagster instance concurrency set {pool} 1" for pool in closed)
        return warning("pools", f"Closed, as the limit is 0: {', '.join(closed)}. Every run waits.", commands)
    return good("pools", ", ".join(f"{name} {limit}" for name, limit in sorted(limits.items())))


def _check_monitoring(instance: "DagsterInstance", home: Path) -> Finding:
    """Whether the daemon finds runs that were killed, and frees the places that they had."""
    frees = bool(instance.run_monitoring_settings.get("free_slots_after_run_end_seconds"))
    if instance.run_monitoring_enabled and instance.run_launcher.supports_check_run_worker_health and frees:
        return good("run monitoring", "on: a killed run is found and frees its place in the pools")
    text = f"{home / 'dagster.yaml'} has none: the daemon waits for ever for a run that was killed."
    return warning("run monitoring", text, f"cp {SETTINGS} {home}/")


def _check_endings(instance: "DagsterInstance") -> list[Finding]:
    """What LangSmith will take away, as it told the runs that fetched."""
    from lse_dagster.defs.alerts.endings import NEXT_STEP, heard_endings

    return [warning("LangSmith's API", f"{ending}.", NEXT_STEP) for ending in heard_endings(instance)]


def _check_owners(instance: "DagsterInstance", settings: "Settings") -> list[Finding]:
    """Whose the assets were when they were materialized last: another order of LSE_PROJECTS moves them."""
    from lse_dagster.defs.own_records import former_owner
    from lse_dagster.defs.project import archived_projects

    moved = {
        project: former
        for project in archived_projects(settings.projects)
        if (former := former_owner(instance, project)) is not None
    }
    return [
        warning(
            f"project {project.name}",
            f"The asset {project.key('raw_runs').to_user_string()} was that of {former} before. "
            "What was recorded of each project stays its own.",
            "If that was not meant, put LSE_PROJECTS back into its former order.",
        )
        for project, former in moved.items()
    ]


def _check_schedules(instance: "DagsterInstance", settings: "Settings") -> list[Finding]:
    from lse_dagster.defs.dagster_internals import InstigatorStatus, InstigatorType
    from lse_dagster.defs.project import archived_projects

    switched = {
        state.instigator_name: state.status
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    }
    default = InstigatorStatus.DECLARED_IN_CODE if settings.schedules != "off" else InstigatorStatus.STOPPED
    findings = []
    for project in archived_projects(settings.projects):
        name = f"{project.job_name('archive')}_schedule"
        if switched.get(name, default) is not InstigatorStatus.STOPPED:
            findings.append(good("schedule", f"{name} is on; it runs while `dagster dev` does (lse dev)"))
        else:
            text = f"{name} is off: nothing archives yesterday by itself."
            next_step = "Put LSE_SCHEDULES=on into .env, or switch it on in the UI (lse dev): Automation"
            findings.append(warning("schedule", text, next_step))
    return [*findings, *_stopped_sensors(instance, settings)]


def _stopped_sensors(instance: "DagsterInstance", settings: "Settings") -> list[Finding]:
    """Those that somebody has switched off: schedules alone bring no day back that failed."""
    from lse_dagster.cli.health.here import expected_names, recorded_states
    from lse_dagster.defs.dagster_internals import InstigatorStatus

    states, names = recorded_states(instance), expected_names(settings)
    seen = [name for name in names if name.endswith("_sensor") and name in states]
    text = "is off: what it looks for, nobody finds."
    return [
        warning("sensor", f"{name} {text}", "Switch it on in the UI: Automation")
        for name in seen
        if states[name].status is InstigatorStatus.STOPPED
    ]
