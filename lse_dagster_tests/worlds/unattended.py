"""Dagster's daemon in this process, on a clock that the test sets: what nobody watches, day after day.

It evaluates the real schedules and sensors and executes the runs that they ask for, as the daemon would: a
run key is used as long as its run exists, each cursor is kept. Time passes nowhere else.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.tags import RUN_KEY_TAG
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster._utils.schedules import schedule_execution_time_iterator
from dagster_shared.error import SerializableErrorInfo

from lse_dagster.day.space import FreeBytes, free_bytes
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.definitions import build_definitions
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.settings import Settings

_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Clock:
    """The time of one simulation, and by how much the machine's own clock is wrong."""

    now: datetime
    wrong: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        """What the machine's clock says."""
        return self.now + self.wrong


@dataclass
class Daemon:
    """One deployment: its settings, its instance, its clock.

    The clocks of LangSmith and Drive, `servers`, go right whatever the machine's does.
    """

    settings: Settings
    instance: dg.DagsterInstance
    clock: Clock
    servers: Sequence[ControlClient] = ()
    free: FreeBytes = free_bytes
    executed: list[dg.DagsterRun] = field(default_factory=list)
    _cursors: dict[str, str | None] = field(default_factory=dict)
    _ticked_at: datetime | None = None

    def __post_init__(self) -> None:
        self.restart()

    @property
    def days(self) -> DayStore:
        return DayStore(self.settings.data_dir)

    @property
    def zips(self) -> ZipStore:
        return ZipStore(self.settings.archives_dir)

    def restart(self) -> None:
        """Load the definitions anew, as a new process does. Ticks of schedules meanwhile are lost."""
        self.repository = build_definitions(
            self.settings, now=self.clock, free=self._free
        ).get_repository_def()
        self._ticked_at = None

    def _set_servers(self) -> None:
        for server in self.servers:
            server.settings(now=self.clock.now.isoformat())

    def _free(self, path: Path) -> int:
        return self.free(path)

    def run_until(self, moment: datetime, *, every: timedelta = timedelta(hours=6)) -> None:
        """Let time pass to a moment, with a look of the sensors every so often."""
        while self.clock.now < moment:
            self.clock.now = min(moment, self.clock.now + every)
            self.tick()

    def tick(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Evaluate the schedules that are due and all sensors, and execute what they ask for, once.

        `meanwhile`: what happens before the runs have their turn for which sensors asked.
        """
        self._set_servers()
        since, self._ticked_at = self._ticked_at or self.clock(), self.clock()
        for request, job in self._schedule_requests(since):
            self._execute(request, job)
        asked = list(self._sensor_requests())
        meanwhile()
        for request, job in asked:
            if request.run_key is None or not self._is_used(request.run_key, job):
                self._execute(request, job)

    def execute(
        self, job: str, *, config: Mapping[str, object] | None = None, tags: Mapping[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run a job by hand."""
        self._set_servers()
        return self.repository.get_job(job).execute_in_process(
            instance=self.instance,
            run_config={**(config or {}), **_SILENT},
            tags=dict(tags or {}),
            raise_on_error=False,
        )

    def ticks(self, sensor: str) -> list[InstigatorTick]:
        """What became of a sensor's ticks, the newest first."""
        states = [one for one in self.instance.all_instigator_state() if one.instigator_name == sensor]
        return [
            tick
            for one in states
            for tick in self.instance.get_ticks(one.instigator_origin_id, one.selector_id)
        ]

    def runs(self, step: str = "") -> list[dg.DagsterRun]:
        """The runs that sensors asked for by now, for the steps that end like this."""
        asked = (run for run in self.executed if "lse/step" in run.tags)
        return [run for run in asked if run.tags["lse/step"].endswith(step)]

    def delete_runs(self) -> None:
        """What somebody does in the UI who clears up."""
        for run in self.instance.get_runs():
            self.instance.delete_run(run.run_id)

    def _is_used(self, run_key: str, job: str) -> bool:
        wanted = dg.RunsFilter(job_name=job, tags={RUN_KEY_TAG: run_key})
        return self.instance.get_runs_count(wanted) > 0

    def _schedule_requests(self, since: datetime) -> Iterator[tuple[dg.RunRequest, str]]:
        for schedule in self.repository.schedule_defs:
            if schedule.default_status is not dg.DefaultScheduleStatus.RUNNING:
                continue
            ticks = schedule_execution_time_iterator(
                since.timestamp(), schedule.cron_schedule, schedule.execution_timezone
            )
            for tick in ticks:
                if tick > self.clock():
                    break
                if tick <= since:
                    continue
                context = dg.build_schedule_context(
                    self.instance, scheduled_execution_time=tick, repository_def=self.repository
                )
                for request in schedule.evaluate_tick(context).run_requests or []:
                    yield request, schedule.job_name

    def _sensor_requests(self) -> Iterator[tuple[dg.RunRequest, str]]:
        for sensor in self.repository.sensor_defs:
            if sensor.default_status is not dg.DefaultSensorStatus.RUNNING:
                continue
            context = dg.build_sensor_context(
                self.instance, cursor=self._cursors.get(sensor.name), repository_def=self.repository
            )
            try:
                found = sensor.evaluate_tick(context)
            except Exception:
                self._record_tick(sensor, serializable_error_info_from_exc_info(sys.exc_info()))
                continue  # the cursor stays, as with the daemon
            self._record_tick(sensor, None)
            self._cursors[sensor.name] = found.cursor
            for event in found.asset_events:
                self.instance.report_runless_asset_event(event)
            for request in found.run_requests or []:
                yield request, request.job_name or sensor.job_name or ""

    def _record_tick(self, sensor: dg.SensorDefinition, error: SerializableErrorInfo | None) -> None:
        """As the daemon does, for the UI and for who looks at it: what became of the tick."""
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("lse_dagster"), "__repository__")
        origin = RemoteInstigatorOrigin(repository, sensor.name)
        origin_id, selector_id = origin.get_id(), origin.get_selector().get_id()
        if self.instance.get_instigator_state(origin_id, selector_id) is None:
            data = SensorInstigatorData(min_interval=sensor.minimum_interval_seconds)
            status = InstigatorStatus.DECLARED_IN_CODE
            self.instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, status, data))
        self.instance.create_tick(
            TickData(
                instigator_origin_id=origin_id,
                instigator_name=sensor.name,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SKIPPED if error is None else TickStatus.FAILURE,
                timestamp=self.clock().timestamp(),
                error=error,
                selector_id=selector_id,
            )
        )

    def _execute(self, request: dg.RunRequest, job: str) -> None:
        selection = list(request.asset_selection) if request.asset_selection else None
        result = self.repository.get_job(job).execute_in_process(
            instance=self.instance,
            asset_selection=selection,
            run_config={**request.run_config, **_SILENT},
            tags={**request.tags, **({RUN_KEY_TAG: request.run_key} if request.run_key else {})},
            raise_on_error=False,
        )
        self.executed.append(result.dagster_run)


Deploy = Callable[..., Daemon]
"""Of projects, at a moment, with more variables of the environment."""


@contextmanager
def instance_of_a_daemon(folder: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that keeps ticks in a folder: a daemon that fails them is to be seen."""
    with dg.DagsterInstance.ephemeral() as instance:
        schedules = SqliteScheduleStorage.from_local(str(folder))
        schedules.register_instance(instance)
        instance._schedule_storage = schedules
        yield instance


def unattended_settings(environment: Mapping[str, str], folder: Path, **variables: str) -> Settings:
    """Settings for a daemon whose data lie in a folder."""
    return Settings.from_environment(
        {
            **environment,
            "LSE_DATA_DIR": str(folder / "data"),
            "LSE_ARCHIVES_DIR": str(folder / "archives"),
            "LSE_SCHEDULES": "on",
            "LSE_RETENTION_DAYS": "14",
            **variables,
        }
    )
