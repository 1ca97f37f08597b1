"""`lse demo`: the whole road on the sandbox, with the real commands, ending in a comparison and a summary."""

import filecmp
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from lse_dagster.cli.archive.wording import describe_checks, describe_step, is_worth_a_line, mark
from lse_dagster.cli.playground.folder import (
    DEMO_DATE,
    DEMO_PROJECT,
    DEMO_TRACES,
    Playground,
    running_playground,
)
from lse_dagster.cli.running.outcome import ASSET_OF_STEP, DayOutcome, DayPlan, Step, StepOutcome, plain
from lse_dagster.cli.terminal.console import stdout
from lse_dagster.cli.terminal.group import verbose_wanted
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore

if TYPE_CHECKING:
    from lse_dagster.cli.terminal.rich_console import TerminalConsole

_GOOD, _BAD = Text("✓", "green"), Text("✗", "red")


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Where the demo keeps everything; delete it to start over.",
)
@click.option("--traces", default=DEMO_TRACES, show_default=True, help="Conversations to trace.")
def demo(folder: Path, traces: int) -> None:
    """Archive a day of agent conversations on the sandbox, restore it, compare.

    Example: lse demo
    """
    console = stdout()
    with running_playground(folder) as playground:
        script = _Demo(console, playground)
        script.trace(traces)
        script.archive()
        passed = script.show_steps("fetch", "zip", "upload")
        same = script.restore_and_compare()
        script.summarise()
    if not (passed and same):
        console.print("The demo failed: see the crosses above.", style="bold red")
        sys.exit(1)


class _Demo:
    """The steps of the demo, in order, on one playground."""

    def __init__(self, console: "TerminalConsole", playground: Playground) -> None:
        self._console = console
        self._playground = playground
        self._days = DayStore(playground.folder / "data")
        self._zips = ZipStore(playground.folder / "archives")

    def trace(self, traces: int) -> None:
        """Write conversations into the sandbox through the real SDK."""
        self._heading(f"Tracing {traces} conversations into {DEMO_PROJECT!r} on {DEMO_DATE}")
        traced = self._playground.trace(DEMO_PROJECT, DEMO_DATE, traces)
        self._console.print(f"{traced.runs:,} runs of {traced.traces:,} traces sent by the langsmith SDK")

    def archive(self) -> None:
        """The command of the README, as it stands there."""
        self._heading("Archiving the day")
        self._dagster(
            [
                "asset",
                "materialize",
                "-m",
                "lse_dagster",
                "--select",
                "*",
                "--partition",
                DEMO_DATE.isoformat(),
            ]
        )

    def show_steps(self, *steps: Step) -> bool:
        """A line for each step of the latest run, which did these, and its checks; whether all passed."""
        run = self._latest_run(DayPlan(DEMO_DATE, dict.fromkeys(steps, "superset")))
        for step in run.steps:
            self._console.print(_GOOD, f"{step.step:<8} {describe_step(step)}")
        for check in filter(is_worth_a_line, run.checks):
            self._console.print(" ", mark(check), f"{check.asset} {check.name}: {check.description}")
        passed = bool(run.checks) and run.passed_checks == len(run.checks)
        self._console.print(_GOOD if passed else _BAD, f"{'checks':<8} {describe_checks(run)}")
        return passed

    def restore_and_compare(self) -> bool:
        """Delete the day folder, restore it from Drive, compare file by file."""
        first = self._playground.folder / "first"
        day = self._day()
        self._heading(f"Deleting {day.path} and restoring it from Drive")
        shutil.rmtree(first, ignore_errors=True)
        shutil.copytree(day.path, first)
        shutil.rmtree(day.path)
        tags = f'{{"dagster/partition": "{DEMO_DATE.isoformat()}"}}'
        self._dagster(["job", "execute", "-m", "lse_dagster", "-j", "restore", "--tags", tags])
        checks_passed = self.show_steps("restore")
        same = self._compare(first, day.path)
        shutil.rmtree(first)
        return same and checks_passed

    def summarise(self) -> None:
        """What was done, in numbers, and where to look."""
        day = self._day()
        zipped = self._zips.load(DEMO_PROJECT, DEMO_DATE)
        counts = day.summary.counts
        self._heading("Summary")
        rows = {
            "runs": f"{counts.runs_started_in_day:,}",
            "traces": f"{counts.traces:,}",
            "LangSmith's total": f"{day.summary.langsmith_total:,}",
            "day folder": f"{day.path} ({day.summary.bytes:,} bytes)",
            "zip": f"{zipped.path} ({zipped.bytes:,} bytes)",
            "Drive": self._drive_link(),
            "see it in the UI": f"{_lse()} dev, then open http://127.0.0.1:3000",
        }
        for name, value in rows.items():
            self._console.print(f"{name:<18} {value}", soft_wrap=True)

    def _compare(self, first: Path, restored: Path) -> bool:
        names = sorted({path.name for folder in (first, restored) for path in folder.iterdir()})
        _, different, missing = filecmp.cmpfiles(first, restored, names, shallow=False)
        if different or missing:
            self._console.print(_BAD, f"{len(different)} files differ, {len(missing)} are missing")
            return False
        self._console.print(_GOOD, f"all {len(names):,} files are identical to those deleted")
        return True

    def _dagster(self, arguments: list[str]) -> None:
        """Run a real `dagster` command in the playground and show it. Its failure ends the demo.

        What it logs is shown if everything was asked for, or if it fails.
        """
        self._console.print(
            f"$ cd {self._playground.folder} && {shlex.join(['dagster', *arguments])}", soft_wrap=True
        )
        executable = Path(sys.executable).with_name("dagster")
        with nullcontext() if verbose_wanted() else self._console.status("running"):
            finished = subprocess.run(
                [str(executable), *arguments],
                cwd=self._playground.folder,
                env=self._playground.process_environment,
                stdout=None if verbose_wanted() else subprocess.PIPE,
                stderr=None if verbose_wanted() else subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        if finished.returncode != 0:
            self._console.print((finished.stdout or "").rstrip())
            self._console.print(f"dagster ended with exit code {finished.returncode}", style="bold red")
            sys.exit(1)

    def _day(self) -> DayFolder:
        return self._days.load(DEMO_PROJECT, DEMO_DATE)

    def _latest_run(self, plan: DayPlan) -> DayOutcome:
        """What Dagster has recorded of it."""
        import dagster as dg

        from lse_dagster.cli.running.events import check_outcome

        kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
        steps, checks = [], []
        with dg.DagsterInstance.from_config(self._playground.environment["DAGSTER_HOME"]) as instance:
            (run,) = instance.get_runs(limit=1)
            for entry in instance.all_logs(run.run_id, of_type=kinds):
                if (made := entry.asset_materialization) is not None:
                    if (asset := made.asset_key.path[-1]) in ASSET_OF_STEP.values():  # not the overview
                        steps.append(StepOutcome(plan.step_of(asset), plain(made.metadata)))
                elif entry.dagster_event is not None:
                    checks.append(check_outcome(entry.dagster_event.asset_check_evaluation_data))
        checks = [check for check in checks if check.asset in ASSET_OF_STEP.values()]
        return DayOutcome(DEMO_PROJECT, plan, run.run_id, steps=tuple(steps), checks=tuple(checks))

    def _drive_link(self) -> str:
        import dagster as dg

        with dg.DagsterInstance.from_config(self._playground.environment["DAGSTER_HOME"]) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey("drive_archive"))
        materialization = event.asset_materialization if event is not None else None
        return str(materialization.metadata["drive_link"].value) if materialization is not None else "-"

    def _heading(self, text: str) -> None:
        self._console.print(f"\n{text}", style="bold", soft_wrap=True)


def _lse() -> str:
    """The command as it can be typed here: `make demo` leaves it where no PATH leads."""
    if shutil.which("lse"):
        return "lse"
    return relpath(Path(sys.executable).with_name("lse"))
