"""The facts as Dagster's own storage has them, for whoever can open it: no webserver is needed."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from lse_dagster.cli.health.facts import Facts, Watcher, words_of
from lse_dagster.cli.running.instance import code_server

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lse_dagster.defs.dagster_internals import InstigatorState, InstigatorTick, SerializableErrorInfo
    from lse_dagster.settings import Settings


def facts_of_instance(instance: "DagsterInstance", settings: "Settings") -> Facts:
    """What is recorded of what these settings define, and whether a code server answers."""
    heartbeats = instance.get_daemon_heartbeats()
    required = instance.get_required_daemon_types()
    seen = {name: heartbeats[name].timestamp if name in heartbeats else None for name in required}
    return Facts(_code_server(), seen, list(_watchers(instance, expected_names(settings))))


def expected_names(settings: "Settings") -> list[str]:
    """The sensors and schedules that must be on for days to be archived, and people to be told."""
    from lse_dagster.defs.project import archived_projects

    projects = archived_projects(settings.projects)
    return [
        "health_sensor",
        *(["alerts_sensor"] if settings.webhook_url is not None else []),
        *(f"{project.job_name('reconcile')}_sensor" for project in projects),
        *(f"{project.job_name('archive')}_schedule" for project in projects),
    ]


def recorded_states(instance: "DagsterInstance") -> dict[str, "InstigatorState"]:
    """Each sensor and schedule that the daemon has seen or somebody switched, by its name; the latest one."""
    states = sorted(instance.all_instigator_state(), key=lambda one: _last_change(instance, one))
    return {state.instigator_name: state for state in states}


def _watchers(instance: "DagsterInstance", expected: Sequence[str]) -> Iterator[Watcher]:
    from lse_dagster.defs.dagster_internals import SensorInstigatorData

    states = recorded_states(instance)
    for name in expected:
        kind: Literal["sensor", "schedule"] = "sensor" if name.endswith("_sensor") else "schedule"
        if (state := states.get(name)) is None:
            yield Watcher(name, kind, is_on=False)
            continue
        tick = _last_tick(instance, state)
        data = state.instigator_data
        yield Watcher(
            name=name,
            kind=kind,
            is_on=state.is_running,
            interval=data.min_interval if isinstance(data, SensorInstigatorData) else None,
            ticked_at=tick.timestamp if tick is not None else None,
            error=words_of(_chain(tick.error)) if tick is not None and tick.is_failure else None,
        )


def _last_change(instance: "DagsterInstance", state: "InstigatorState") -> float:
    tick = _last_tick(instance, state)
    return tick.timestamp if tick is not None else 0.0


def _last_tick(instance: "DagsterInstance", state: "InstigatorState") -> "InstigatorTick | None":
    """The last that has ended."""
    from lse_dagster.defs.dagster_internals import TickStatus

    ended = [status for status in TickStatus if status is not TickStatus.STARTED]
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=ended)
    return ticks[0] if ticks else None


def _chain(error: "SerializableErrorInfo | None") -> list[str]:
    messages = []
    while error is not None:
        messages.append(error.message)
        error = error.cause
    return messages


def _code_server() -> str | None:
    from lse_dagster.defs.running.code_server import answers

    if (address := code_server()) is None:
        return None  # Dagster's processes load the code themselves: the ticks tell
    host, port = address
    return None if answers(host, port) else f"The code server at {host}:{port} does not answer."
