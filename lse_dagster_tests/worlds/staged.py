"""Staging and publishing small days, for the tests of this room."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.staging import StagedDay
from lse_dagster.day.store import DayStore, Published
from lse_dagster.day.writing.writer import DayWriter, Origin, Totals
from lse_dagster.run.feedback import FeedbackRecord
from lse_dagster_tests.worlds.runs import DATE

PROJECT = "my-project"
PROJECT_ID = "project-id"
DAY = date.fromisoformat(DATE)


def stage(
    store: DayStore,
    runs: Iterable[bytes],
    *,
    project: str = PROJECT,
    feedback: dict[str, list[bytes]] | None = None,
    total: int = 0,
    fetched_at: datetime = datetime(2025, 8, 30, tzinfo=UTC),
) -> StagedDay:
    """A staged day of these runs."""
    with store.stage(project, DAY) as staging:
        writer = DayWriter(staging)
        writer.add(runs)
        origin = Origin(PROJECT_ID, "v2", fetched_at)
        for run_id, records in (feedback or {}).items():
            writer.add_feedback(
                FeedbackRecord(run_id, f"{number:03}", raw) for number, raw in enumerate(records)
            )
        return writer.finish(origin, totals=lambda: Totals(total, total))


def publish(
    store: DayStore, runs: Iterable[bytes], overwrite: Overwrite = "superset", *, project: str = PROJECT
) -> Published:
    """A published day of these runs."""
    return store.publish(stage(store, runs, project=project), overwrite)


def published_day(folder: Path, runs: Iterable[bytes]) -> DayFolder:
    """A published day below a data directory."""
    return publish(DayStore(folder), runs).day


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
