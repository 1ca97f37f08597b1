"""`lse migrate` on the terminal and as JSON: each day as it is done, then what could not be brought over."""

import json
from typing import Any, Final

from rich.text import Text

from lse_dagster.cli.console import stderr, stdout
from lse_dagster.day.migration import Migrated, Plan, Result, Unusable

_MARKS: Final[dict[Result, tuple[str, str]]] = {
    "written": ("✓", "green"),
    "unchanged": ("=", "dim"),
    "kept": ("!", "yellow"),
}
_MOST_FILES: Final = 20


class MigrateReport:
    """Told what happens, in order."""

    def __init__(self, *, dry_run: bool, as_json: bool, quiet: bool) -> None:
        self._dry_run = dry_run
        self._json = as_json
        self._silent = as_json or quiet
        self._days: list[Migrated] = []
        self._unusable: tuple[Unusable, ...] = ()

    @property
    def something_left(self) -> bool:
        """Whether the old files hold what is in no day of ours."""
        return bool(self._unusable) or any(day.only_old for day in self._days)

    def begin(self, plan: Plan) -> None:
        """The old files were read."""
        self._unusable = plan.unusable
        if self._silent:
            return
        verb = "would go" if self._dry_run else "go"
        runs = len({path for paths in plan.files.values() for path in paths})
        stdout().print(f"{runs:,} runs of {plan.project} {verb} to {len(plan.files):,} days", markup=False)
        if self._dry_run:
            for day, paths in plan.files.items():
                stdout().print(f"  {day}  {len(paths):,} runs", markup=False)

    def day(self, migrated: Migrated) -> None:
        """A day is done."""
        self._days.append(migrated)
        if self._silent:
            return
        words = [f"{migrated.runs:,} runs in {migrated.traces:,} traces", migrated.result]
        if migrated.missing_parents:
            words.append(f"{migrated.missing_parents:,} parents were never archived")
        if migrated.result == "kept":
            words.append(f"{migrated.only_old:,} runs are in the old files alone. {migrated.why}")
        line = Text.assemble((f"{_MARKS[migrated.result][0]} ", _MARKS[migrated.result][1]))
        line.append(f"{migrated.day}  {', '.join(words)}")
        stdout().print(line, soft_wrap=True)

    def end(self, plan: Plan) -> None:
        """Everything is done: what is left, and what comes next."""
        if self._json:
            stdout().out(json.dumps(self._document(plan), indent=2, ensure_ascii=False), highlight=False)
            return
        for unusable in self._unusable[:_MOST_FILES]:
            stderr().print(Text(f"Not brought over: {unusable.path}: {unusable.why}"), soft_wrap=True)
        if len(self._unusable) > _MOST_FILES:
            stderr().print(f"and {len(self._unusable) - _MOST_FILES:,} more files: --json names them all")
        if not self._silent and any(day.result == "written" for day in self._days):
            stdout().print("Next: lse status, which names the days to zip and to upload", markup=False)

    def _document(self, plan: Plan) -> dict[str, Any]:
        days = [_day_fields(day) for day in self._days]
        if self._dry_run:
            days = [
                {"date": day.isoformat(), "result": None, "runs": len(paths)}
                for day, paths in plan.files.items()
            ]
        return {
            "project": plan.project,
            "dry_run": self._dry_run,
            "days": days,
            "unusable": [{"path": str(one.path), "why": one.why} for one in self._unusable],
        }


def _day_fields(day: Migrated) -> dict[str, Any]:
    return {
        "date": day.day.isoformat(),
        "result": day.result,
        "runs": day.runs,
        "traces": day.traces,
        "missing_parents": day.missing_parents,
        "only_old": day.only_old,
        "why": day.why,
    }
