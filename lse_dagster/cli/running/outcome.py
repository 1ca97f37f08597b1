"""What is to become of a day, and what became of it: its steps, its checks, its error. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    import dagster as dg


Metadata = Mapping[str, str | int | float | bool | None]


def plain(metadata: "Mapping[str, dg.MetadataValue]") -> Metadata:
    """The values without Dagster's classes around them."""
    values: dict[str, str | int | float | bool | None] = {}
    for name, value in metadata.items():
        inner = value.value
        values[name] = inner if isinstance(inner, str | int | float | bool | None) else str(inner)
    return values


Step = Literal["fetch", "zip", "upload", "restore"]

ASSET_OF_STEP: Final[Mapping[Step, str]] = {
    "fetch": "raw_runs",
    "zip": "day_zip",
    "upload": "drive_archive",
    "restore": "raw_runs",
}


@dataclass(frozen=True)
class DayPlan:
    """One day to work on: its steps in order, and what each may overwrite."""

    day: date
    overwrite: Mapping[Step, Overwrite]
    project_id: str = ""
    """LangSmith's id of the project that is meant, where several of one name have the day."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in the order of the data."""
        return tuple(self.overwrite)


@dataclass(frozen=True)
class StepOutcome:
    """A step that was done, and the metadata that Dagster keeps of it."""

    step: Step
    metadata: Metadata


@dataclass(frozen=True)
class CheckOutcome:
    """One asset check. As a `warning` it may fail without failing the day."""

    step: Step
    name: str
    passed: bool
    warning: bool
    description: str
    metadata: Metadata


@dataclass(frozen=True)
class DayOutcome:
    """All that became of one day, and the id of the Dagster run. Done if there is no `error`."""

    project: str
    plan: DayPlan
    run_id: str
    steps: tuple[StepOutcome, ...]
    checks: tuple[CheckOutcome, ...]
    error: ArchiveError | None
    trace: str = ""
    """Where the error was raised, for `--debug`."""
    concerns_one_day: bool = True
    """Whether other days may fare better than this one did."""

    @property
    def day(self) -> date:
        """The UTC date."""
        return self.plan.day

    @property
    def passed_checks(self) -> int:
        """How many checks passed."""
        return sum(check.passed for check in self.checks)
