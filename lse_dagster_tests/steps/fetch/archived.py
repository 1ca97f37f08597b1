"""One project whose days are fetched and published, and moments of its day."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster.steps.fetch.progress import FetchProgress

DAY = date(2025, 8, 29)
NEXT_DAY = date(2025, 8, 30)
NOON = datetime(2025, 8, 29, 12, tzinfo=UTC)
FIRST_MOMENT = datetime(2025, 8, 29, tzinfo=UTC)
LAST_MOMENT = datetime(2025, 8, 29, 23, 59, 59, 999999, tzinfo=UTC)
MIDNIGHT = datetime(2025, 8, 30, tzinfo=UTC)
NEXT_MORNING = datetime(2025, 8, 30, 3, 30, tzinfo=UTC)
LONG_AFTER = datetime(2025, 9, 2, tzinfo=UTC)
QUERY = "/api/v2/runs/query"


class Archive:
    """Fetches and publishes days of one project."""

    def __init__(self, transport: Transport, project: str, root: Path) -> None:
        self.transport = transport
        self.project = project
        self.store = DayStore(root)

    def fetch(
        self,
        day: date = DAY,
        on_progress: Callable[[FetchProgress], None] | None = None,
        now: datetime = LONG_AFTER,
    ) -> DayFolder:
        ControlClient(self.transport.endpoint).settings(now=now.isoformat())
        fetched = fetch_day(
            self.transport, self.store, self.project, day, on_progress=on_progress, now=lambda: now
        )
        return self.store.publish(fetched.staged, "superset").day
