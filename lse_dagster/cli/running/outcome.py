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
    local_only: bool = False
    """Of a plan without steps, which makes the checks again: only those that ask nobody but this disk."""
    is_freed: bool = False
    """Of such a plan: there is no day folder, so only the zip and the copy are looked at."""

    def wants(self, *, asset: str, asks: str | None) -> bool:
        """Whether a check of this asset, which asks there, is made."""
        return not (self.local_only and asks is not None) and not (self.is_freed and asset == "raw_runs")

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in the order of the data."""
        return tuple(self.overwrite)

    def step_of(self, asset: str) -> Step:
        """The step that makes an asset."""
        return next(step for step in (*self.overwrite, *ASSET_OF_STEP) if ASSET_OF_STEP[step] == asset)


@dataclass(frozen=True)
class StepOutcome:
    """A step that was done, and the metadata that Dagster keeps of it."""

    step: Step
    metadata: Metadata


@dataclass(frozen=True)
class CheckOutcome:
    """One asset check. As a `warning` it may fail without failing the day."""

    asset: str
    name: str
    passed: bool
    warning: bool
    description: str
    metadata: Metadata
    error: ArchiveError | None = None
    """What kept the check from being made."""

    @property
    def holds(self) -> bool:
        """Whether it is no reason to call the day wrong."""
        return self.passed or self.warning

    @property
    def document(self) -> dict[str, object]:
        """As JSON; who shows it adds where it belongs."""
        return {
            "check": self.name,
            "passed": self.passed,
            "warning": self.warning,
            "description": self.description,
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True)
class DayOutcome:
    """All that became of one day, and the id of the Dagster run, if there was one."""

    project: str
    plan: DayPlan
    run_id: str | None
    steps: tuple[StepOutcome, ...] = ()
    checks: tuple[CheckOutcome, ...] = ()
    errors: tuple[ArchiveError, ...] = ()
    """Of one cause one; what failed a step comes first."""
    trace: str = ""
    """Where the error was raised, for `--debug`."""
    concerns_one_day: bool = True
    """Whether other days may fare better than this one did."""
    is_forgotten: bool = False
    """Whether nothing was fetched, as LangSmith has forgotten the day."""

    @property
    def day(self) -> date:
        """The UTC date."""
        return self.plan.day

    @property
    def error(self) -> ArchiveError | None:
        """Why the day is not done; None if it is."""
        return next(iter(self.errors), None)

    @property
    def passed_checks(self) -> int:
        """How many checks passed."""
        return sum(check.passed for check in self.checks)
