"""One project from its first day, its daemon, and both servers: where the reconciliation is watched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from lse_dagster.day.zip.file import DayZip, read_zip
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.drive_copy import find_copy
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.unattended import Daemon

DAY = date(2025, 8, 1)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2025, 8, day, hour, tzinfo=UTC)


@dataclass
class Place:
    """One project with a first day, its daemon, and both servers."""

    api: LangSmithApi
    daemon: Daemon
    langsmith: ControlClient
    drive: ControlClient

    def steps(self, day: date | None = None) -> list[str]:
        """What sensors asked for so far: the day and the step, or the steps of one day."""
        asked = [run.tags["lse/step"].split("/", 1)[1] for run in self.daemon.runs()]
        if day is None:
            return asked
        return [step.split("/")[1] for step in asked if step.startswith(day.isoformat())]

    def count_soon(self) -> None:
        """From the next start on days are counted after four days, not twelve: fewer to archive till then."""
        rule = replace(self.daemon.settings.reconciliation, after_days=(2, 4))
        self.daemon.settings = replace(self.daemon.settings, reconciliation=rule)

    def skip_to(self, moment: datetime) -> None:
        """The daemon is down until then."""
        self.daemon.clock.now = moment
        self.daemon.restart()
        self.daemon.tick()

    def look_often(self, *, hours: int) -> None:
        """Let hours pass with a look in each."""
        self.daemon.run_until(self.daemon.clock.now + timedelta(hours=hours), every=timedelta(hours=1))

    def requests(self, path: str) -> int:
        return len([entry for entry in self.langsmith.requests() if entry.path.endswith(path)])

    def add_child(self, root: str, root_start: datetime, start: datetime) -> str:
        """A run within the trace of a root."""
        child = f"{root[:-6]}c0{start:%H%M}"
        order = f"{root_start:%Y%m%dT%H%M%S%fZ}{root}.{start:%Y%m%dT%H%M%S%fZ}{child}"
        return self.api.add_run(start, id=child, trace_id=root, parent_run_id=root, dotted_order=order)

    def attach(self, run_id: str, name: str, content: str) -> None:
        part = (
            f'--b\r\nContent-Disposition: form-data; name="attachment.{run_id}.{name}"\r\n'
            f"Content-Length: {len(content)}\r\n\r\n{content}\r\n--b--\r\n"
        )
        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = self.api.session.post(f"{self.api.url}/runs/multipart", data=part, headers=headers)
        assert answer.status_code == 202, answer.text

    def patch(self, run_id: str, **fields: object) -> None:
        answer = self.api.session.patch(f"{self.api.url}/runs/{run_id}", json=fields)
        assert answer.ok, answer.text

    def give_feedback(self, run_id: str, **fields: object) -> None:
        answer = self.api.post("/feedback", {"run_id": run_id, "key": "score", "score": 1, **fields})
        assert answer.ok, answer.text

    def on_drive(self, day: date = DAY) -> DayZip:
        """The copy on Drive as it is now."""
        project, copy = self.api.project, Path(self.daemon.settings.archives_dir, "looked-at.zip")
        with DriveArchive.connect(self.daemon.settings.drive) as drive:
            found = find_copy(drive, project, day)
            assert found is not None
            drive.download(found, copy)
        return read_zip(copy, project=project, day=day)

    def failed_checks(self, asset: str, check: str, day: date = DAY) -> Sequence[dg.AssetCheckEvaluation]:
        """The results of a check that were not good, the newest first."""
        found = self.daemon.instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey(asset), check),
            limit=100,
            status={AssetCheckExecutionRecordStatus.FAILED},
        )
        events = [record.event.dagster_event for record in found if record.event is not None]
        evaluations = [event.asset_check_evaluation_data for event in events if event is not None]
        return [one for one in evaluations if one.partition == day.isoformat()]
