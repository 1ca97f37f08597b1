"""What one run of the job `free_disk` did, from its events: which days went, which stayed and why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import dagster as dg

from lse_dagster.cli.running.events import StepFailed
from lse_dagster.cli.terminal.errors import REPORT_IT
from lse_dagster.defs.failure import parts_of_failure
from lse_dagster.defs.running.pool_waiting import PoolWait, is_wait_for_a_pool
from lse_dagster.defs.upkeep.ops import KEPT_METADATA, REMOVED_METADATA
from lse_dagster.errors import ArchiveError


@dataclass(frozen=True)
class FreedDisk:
    """The bytes of each day that went, or would go; why each other one stayed; what failed the job."""

    run_id: str | None
    removed: Mapping[date, int]
    kept: Mapping[date, str]
    error: ArchiveError | None

    @property
    def bytes(self) -> int:
        """How much room that makes."""
        return sum(self.removed.values())

    def after(self, looked: "FreedDisk") -> "FreedDisk":
        """The same, with what a look before it said of the days that were not tried again."""
        return replace(self, kept={**looked.kept, **self.kept}, error=self.error or looked.error)


NOTHING_FREED = FreedDisk(None, {}, {}, None)
"""Of no day."""


class FreeingEvents:
    """What one run's events said so far."""

    def __init__(self, wait: PoolWait) -> None:
        self._wait = wait
        self._said: Mapping[str, dg.MetadataValue] = {}
        self._error: ArchiveError | None = None

    def listen(self, entry: dg.EventLogEntry) -> None:
        """Take one event; called by the instance in the thread that runs the step."""
        event = entry.dagster_event
        if event is None:
            return
        match event.event_type:
            case dg.DagsterEventType.ENGINE_EVENT if is_wait_for_a_pool(event):
                self._wait.begin()
            case dg.DagsterEventType.STEP_START:
                self._wait.end()
            case dg.DagsterEventType.STEP_OUTPUT:
                self._said = event.step_output_data.metadata
            case dg.DagsterEventType.STEP_FAILURE:
                self._error = StepFailed(*parts_of_failure(event, otherwise_next=REPORT_IT))
            case _:
                pass

    def outcome(self, run_id: str, *, succeeded: bool) -> FreedDisk:
        """What became of the days. What failed one keeps no other from being told."""
        if not succeeded and self._error is None:
            self._error = StepFailed(
                "Freeing this disk",
                "Dagster says that the run failed, and no step says why.",
                f"Look at the run {run_id} in the Dagster UI.",
            )
        return FreedDisk(run_id, self._days(REMOVED_METADATA), self._days(KEPT_METADATA), self._error)

    def _days(self, name: str) -> dict[date, Any]:
        said: Any = self._said[name].value if name in self._said else {}
        return {date.fromisoformat(day): value for day, value in said.items()}
