"""`lse free`: the job `free_disk` from the terminal: what would go is shown and asked about, then removed."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import click
from rich.text import Text

from lse_dagster.advice import lse_command
from lse_dagster.cli.archive.wording import megabytes
from lse_dagster.cli.running.display import Display
from lse_dagster.cli.terminal.console import can_ask, can_draw, say, stderr, stdout
from lse_dagster.cli.terminal.dates import DateRange, PastDates
from lse_dagster.cli.terminal.errors import Declined, StepsFailed, error_document, print_error
from lse_dagster.cli.terminal.options import projects_option
from lse_dagster.cli.terminal.questions import Question, Questioner
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.cli.running.freeing import FreedDisk
    from lse_dagster.cli.running.runner import DayRunner


class NobodyToAsk(ArchiveError):
    """Days would be removed from this disk, and nobody is there to agree."""

    def __init__(self, projects: Sequence[str]) -> None:
        super().__init__(
            f"Freeing days of {', '.join(map(repr, projects))} from this disk",
            "Without a terminal nobody can be asked.",
            "Look with --dry-run what would go; --yes agrees to it.",
        )


class NothingSaysWhich(ArchiveError):
    """Nothing says which days may go."""

    def __init__(self, projects: Sequence[str]) -> None:
        super().__init__(
            f"Freeing days of {', '.join(map(repr, projects))} from this disk",
            "Nothing says which days may go.",
            "Name their age or dates, as in --older-than 60d --dry-run; or set LSE_KEEP_LOCAL_DAYS=60.",
        )


class Age(click.ParamType[int]):
    """A number of days, as `60d`."""

    name = "days"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read `60d` or `60`; anything else is a usage error."""
        found = re.fullmatch(r"(\d{1,5})d?", str(value), re.ASCII)
        if found is None:
            self.fail(f"{str(value)!r} is no number of days: write 60d.", param, ctx)
        return int(found[1])


@click.command()
@click.option(
    "--older-than",
    type=Age(),
    help="Days that began longer ago, such as 60d. Default: LSE_KEEP_LOCAL_DAYS.",
)
@click.option(
    "--date",
    "dates",
    type=PastDates(),
    help="A UTC day, a month (2025-08) or a range A..B, whatever its age.",
)
@projects_option
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per project, as described above.")
def free(
    older_than: int | None,
    dates: DateRange | None,
    projects: Sequence[str],
    all_projects: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take days off this disk that Drive holds, each compared with its copy right before.

    It runs the job `free_disk` of Dagster's UI: folder and zip of a day go if Drive reports the size and
    checksum of the zip, and LangSmith is asked no more about the day. It asks before; without a terminal it
    refuses unless --yes is given.

    \b
    Examples:
      lse free --older-than 60d --dry-run
      lse free --date 2025-08

    \b
    With --json, each project in a line:
      {"project", "dry_run", "bytes", "run_id",
       "days": [{"date", "result": "removed" | "would be removed" | "kept", "bytes", "why"}],
       "error": null | {"what", "why", "next"}}

    Exit codes: 0 done, 1 something failed, 2 wrong usage, 3 declined at the question, 130 interrupted.
    """
    from lse_dagster.calendar.inventory import local_days
    from lse_dagster.cli.environment import load_settings
    from lse_dagster.cli.running.instance import open_instance
    from lse_dagster.cli.running.runner import DayRunner
    from lse_dagster.cli.terminal.projects import choose_projects, on_each
    from lse_dagster.defs.running.living_runs import end_killed_runs

    configured = load_settings()
    names, settings = choose_projects(configured, projects, every=all_projects)
    keep = older_than if older_than is not None else 0 if dates is not None else settings.keep_local_days
    if keep is None:
        raise NothingSaysWhich(names)
    if not (dry_run or yes) and (as_json or not can_ask()):
        raise NobodyToAsk(names)
    settings = dataclasses.replace(settings, keep_local_days=keep)
    default = next(iter(configured.projects), None)
    with open_instance() as instance:
        end_killed_runs(instance)

        def look(name: str) -> Callable[[], None]:
            report = _Report(name, default, dry_run=dry_run, as_json=as_json)
            here = local_days(settings.data_dir, settings.archives_dir, name)
            days = [day for day in here if dates is None or day in dates]
            run = partial(report.run, DayRunner(settings, name, instance, _Waiting()))
            if yes and not dry_run:
                return lambda: report.end(run(days, dry_run=False))
            found = run(days, dry_run=True)
            if dry_run or not found.removed:
                return lambda: report.end(found)
            report.ask(found)
            return lambda: report.end(run(list(found.removed), dry_run=False).after(found))

        on_each([partial(look, name) for name in names])


class _Waiting(Display):
    def warning(self, text: str) -> None:
        stderr().print(Text.assemble(("! ", "yellow"), text), soft_wrap=True)


class _Report:
    """Says what would go, asks, and says what went."""

    def __init__(self, project: str, default_project: str | None, *, dry_run: bool, as_json: bool) -> None:
        self._project = project
        self._default = default_project
        self._dry_run = dry_run
        self._json = as_json
        self._asked = False

    def run(self, runner: "DayRunner", days: list[date], *, dry_run: bool) -> "FreedDisk":
        """Run the job for the days; for none there is nothing to run."""
        from lse_dagster.cli.running.freeing import NOTHING_FREED

        if not days:
            return NOTHING_FREED
        doing = stdout().status("Comparing with Drive") if can_draw() and not self._json else nullcontext()
        with doing:
            return runner.free_disk(days, dry_run=dry_run)

    def ask(self, found: "FreedDisk") -> None:
        """Show what would go and ask. Raises `Declined`."""
        self._list(found)
        self._asked = True
        what = f"Freeing {_days(len(found.removed))} of {self._project!r}, {megabytes(found.bytes)}"
        there = f"Each is on Drive, compared just now. To have them back: {self._restore(found)}"
        question = Question(what, there, "", "Remove them from this disk?")
        if not Questioner(force=False, can_ask=True, several=False).may_replace(question):
            raise Declined(f"Nothing was done: every day of {self._project!r} is where it was.")

    def end(self, found: "FreedDisk") -> None:
        """What went, or would go. Raises `StepsFailed`."""
        if self._json:
            self._print_document(found)
        else:
            if not self._asked:
                self._list(found)
            self._sum_up(found)
        if found.error is not None:
            if not self._json:
                print_error(found.error)
            raise StepsFailed

    def _list(self, found: "FreedDisk") -> None:
        for line in self._lines(found):
            stdout().print(line, soft_wrap=True)

    def _lines(self, found: "FreedDisk") -> Iterator[Text]:
        width = max((len(megabytes(size)) for size in found.removed.values()), default=0)
        for day, size in found.removed.items():
            yield Text(f"  {day}  {megabytes(size):>{width}}")
        for day, why in found.kept.items():
            yield Text.assemble(("! ", "yellow"), f"{day}  stays: {why}")

    def _sum_up(self, found: "FreedDisk") -> None:
        if not (found.removed or found.kept):
            if found.error is None:
                stdout().print(f"{self._project}: no such day is on this disk, or none is that old.")
            return
        verb = "would go" if self._dry_run else "removed from this disk"
        words = [f"{self._project}: {_days(len(found.removed))} {verb}, {megabytes(found.bytes)}"]
        words += [f"{_days(len(found.kept))} kept"] if found.kept and not self._asked else []
        stdout().print("; ".join(words), soft_wrap=True)
        if found.removed and not self._dry_run:
            stdout().print(f"To have them back: {self._restore(found)}", soft_wrap=True)

    def _restore(self, found: "FreedDisk") -> str:
        dates = DateRange(min(found.removed), max(found.removed))
        return lse_command("archive restore", self._project, dates, default=self._default)

    def _print_document(self, found: "FreedDisk") -> None:
        result = "would be removed" if self._dry_run else "removed"
        days = {day: (result, size, "") for day, size in found.removed.items()}
        days |= {day: ("kept", 0, why) for day, why in found.kept.items()}
        document = {
            "project": self._project,
            "dry_run": self._dry_run,
            "bytes": found.bytes,
            "run_id": found.run_id,
            "days": [
                {"date": day.isoformat(), "result": result, "bytes": size, "why": why}
                for day, (result, size, why) in sorted(days.items())
            ],
            "error": found.error and error_document(found.error),
        }
        say(json.dumps(document, ensure_ascii=False))


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"
