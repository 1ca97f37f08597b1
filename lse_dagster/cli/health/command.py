"""The command: facts from here or from a webserver, one line, an exit code."""

import json
import time

import click

from lse_dagster.cli.doctor.finding import Finding, problem, problem_of
from lse_dagster.cli.terminal.console import say, stdout
from lse_dagster.cli.terminal.errors import StepsFailed
from lse_dagster.errors import ArchiveError


@click.command()
@click.option(
    "--url", help="Ask the Dagster UI at this address, from any machine. Without it: this machine's."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document, as described above.")
@click.option(
    "--wake", is_flag=True, help="Let those look again that wait for a time which a wrong clock had shown."
)
def health(url: str | None, as_json: bool, wake: bool) -> None:
    """Say in one line whether days are archived by themselves: for monitoring.

    Looks at code location, daemon, sensors and schedules (on, looking, not failing), and at what the
    installation found out itself in the last minutes: settings, disk, clock, keys, last night's days.
    Changes nothing without --wake. After that restart Dagster's daemon.

    Example: lse health --url http://127.0.0.1:3000

    \b
    With --json:
      {"ok", "problems": [{"subject", "text", "next"}]}

    Exit codes: 0 all is well, 1 something is not.
    """
    if wake and url is not None:
        raise click.UsageError("--wake works on the machine itself, without --url.")
    try:
        problems = _look(url, wake=wake)
    except ArchiveError as error:
        problems = [problem_of("dagster", error)]
    if as_json:
        say(_document(problems))
    elif problems:
        stdout().print("✗ " + " | ".join(" ".join(f"{one.subject}: {one.text}".split()) for one in problems))
    else:
        stdout().print(
            "✓ code location, daemon, sensors, schedules, settings, disk, clock, keys and last night's days"
        )
    if problems:
        raise StepsFailed


def _look(url: str | None, *, wake: bool) -> list[Finding]:
    from lse_dagster.cli.health.facts import problems_of

    if url is not None:
        from lse_dagster.cli.health.remote import facts_of_webserver

        return problems_of(facts_of_webserver(url), time.time())
    from lse_dagster.cli.environment import load_settings_as_far_as_right
    from lse_dagster.cli.health.here import facts_of_instance
    from lse_dagster.cli.health.wake import wake as wake_up
    from lse_dagster.cli.running.instance import dagster_home, open_instance

    settings = load_settings_as_far_as_right()
    if not (home := dagster_home()).exists():  # to open it would make it
        return [problem("dagster", f"There is no Dagster home at {home}.", "Set DAGSTER_HOME, or use --url.")]
    with open_instance() as instance:
        if wake:
            wake_up(instance, time.time())
        return problems_of(facts_of_instance(instance, settings), time.time())


def _document(problems: list[Finding]) -> str:
    found = [{"subject": one.subject, "text": one.text, "next": one.next_step} for one in problems]
    return json.dumps({"ok": not problems, "problems": found}, ensure_ascii=False)
