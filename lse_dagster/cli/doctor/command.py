"""The command: all checks side by side, shown in their order as soon as they are there."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from lse_dagster.cli.doctor.finding import Finding, Level, good, problem, problem_of
from lse_dagster.cli.terminal.console import say, stdout
from lse_dagster.cli.terminal.errors import StepsFailed, print_error
from lse_dagster.cli.terminal.options import quiet_option
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.settings import Settings

_MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "red"),
}
_WIDTH = 18

_Check = Callable[[], Finding | list[Finding]]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document, as described above.")
@quiet_option
def doctor(as_json: bool, quiet: bool) -> None:
    """Show what is configured, what answers and what is missing, each with its next step.

    ✓ is well, ! works and should be mended, ✗ keeps days from being archived. Nothing is changed.

    Example: lse doctor

    \b
    With --json:
      {"ok", "findings": [{"level": "ok" | "warning" | "problem", "subject", "text", "next"}]}

    Exit codes: 0 nothing is in the way, 1 something is.
    """
    if as_json and quiet:
        raise click.UsageError("Give --json or --quiet, not both.")
    findings: list[Finding] = []
    for finding in _examine():
        findings.append(finding)
        if quiet:
            _print_problem(finding)
        elif not as_json:
            _print(_told_once(finding, findings))
    problems = [finding for finding in findings if finding.level == "problem"]
    if as_json:
        say(_document(findings))
    if problems:
        raise StepsFailed


def _examine() -> Iterator[Finding]:
    from lse_dagster.cli.doctor import machine
    from lse_dagster.cli.environment import load_settings_as_far_as_right

    yield machine.check_env_file(Path(".env").absolute())
    try:
        settings = load_settings_as_far_as_right()
    except ArchiveError as error:
        yield problem_of("settings", error)
        yield _run(machine.check_packages)[0]
        return
    for wrong in settings.invalid:
        yield problem("settings", f"{wrong.name}: {wrong.why}", wrong.next_step)
    if not settings.invalid:
        yield good("settings", "every variable that is set can be read")
    checks = _checks(settings)
    with ThreadPoolExecutor(max_workers=len(checks), thread_name_prefix="doctor") as threads:
        for found in threads.map(_run, checks):
            yield from found


def _checks(settings: "Settings") -> list[_Check]:
    from lse_dagster.cli.doctor import dagster_home, machine, services

    return [
        machine.check_packages,
        lambda: machine.check_directories(settings),
        machine.check_certificates,
        lambda: services.check_server(settings),
        lambda: machine.check_retention(settings),
        lambda: services.check_key(settings),
        lambda: services.check_projects(settings),
        lambda: services.check_start_date(settings),
        lambda: services.check_drive(settings),
        lambda: dagster_home.check_dagster(settings),
    ]


def _run(check: _Check) -> list[Finding]:
    """The findings of a check; one that breaks is a finding too, so that the others are still heard."""
    try:
        found = check()
    except Exception as error:
        return [
            problem_of(
                "doctor",
                ArchiveError("", f"A check broke: {type(error).__name__}: {error}", "Please report this."),
            )
        ]
    return [found] if isinstance(found, Finding) else found


def _told_once(finding: Finding, told: Sequence[Finding]) -> Finding:
    """A cause that kept another check from its answer is not told again."""
    first = next(one for one in told if one.text == finding.text)
    if first is finding or finding.level == "ok":
        return finding
    return replace(finding, text=f"not known, as {first.subject} has to be looked after first", next_step="")


def _print(finding: Finding) -> None:
    mark, style = _MARKS[finding.level]
    console = stdout()
    console.print(
        Text.assemble((f"{mark} ", style), (f"{finding.subject:<{_WIDTH}} ", "bold"), finding.text),
        soft_wrap=True,
    )
    if finding.next_step:
        console.print(Text(f"  {'':<{_WIDTH}} Next: {finding.next_step}"), soft_wrap=True)


def _print_problem(finding: Finding) -> None:
    if finding.level == "problem":
        print_error(ArchiveError(f"Checking {finding.subject}", finding.text, finding.next_step))


def _document(findings: Sequence[Finding]) -> str:
    return json.dumps(
        {
            "ok": all(finding.level != "problem" for finding in findings),
            "findings": [
                {
                    "level": finding.level,
                    "subject": finding.subject,
                    "text": finding.text,
                    "next": finding.next_step,
                }
                for finding in findings
            ],
        },
        indent=2,
        ensure_ascii=False,
    )
