"""`lse sandbox`: LangSmith and Google Drive on loopback, and demo traces written into them."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from lse_dagster.cli.terminal.console import say
from lse_dagster.cli.terminal.group import Commands
from lse_dagster.cli.terminal.options import ProjectName

_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.group(cls=Commands)
def sandbox() -> None:
    """LangSmith and Google Drive on loopback, to try things out.

    Example: lse sandbox serve --dir .sandbox
    """


@sandbox.command()
@click.option(
    "--dir", "directory", type=_DIRECTORY, required=True, help="Where the servers keep their state."
)
@click.option(
    "--langsmith-port", default=0, show_default="any free port", help="Port of the LangSmith server."
)
@click.option("--drive-port", default=0, show_default="any free port", help="Port of the Drive server.")
def serve(directory: Path, langsmith_port: int, drive_port: int) -> None:
    """Run both servers until Ctrl+C.

    One line of JSON says when they are ready and where; DIR/sandbox.env holds every variable that
    clients need.

    Example: lse sandbox serve --dir .sandbox
    """
    from lse_dagster.sandbox.server import serve as serve_forever

    try:
        serve_forever(directory, langsmith_port=langsmith_port, drive_port=drive_port)
    except OSError as error:
        raise click.ClickException(f"cannot serve from {directory}: {error}") from error


@sandbox.command()
@click.option(
    "--project",
    type=ProjectName(),
    default="my-project",
    show_default=True,
    help="The LangSmith project to trace to.",
)
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The UTC date on which the runs lie.",
)
@click.option("--traces", default=100, show_default=True, help="How many conversations to trace.")
@click.option("--across-midnight", is_flag=True, help="Let the last trace end on the next date.")
@click.option(
    "--dir",
    "directory",
    type=_DIRECTORY,
    help="A running sandbox's directory; without it LANGSMITH_ENDPOINT and LANGSMITH_API_KEY say where.",
)
def trace(project: str, day: datetime, traces: int, across_midnight: bool, directory: Path | None) -> None:
    """Write made-up conversations as traces, with the langsmith SDK.

    Example: lse sandbox trace --dir .sandbox --date 2025-08-29
    """
    from dotenv import dotenv_values
    from langsmith import Client

    from lse_dagster.cli.environment import clean_environment
    from lse_dagster.errors import ArchiveError
    from lse_dagster.langsmith.server import look_at_server
    from lse_dagster.net.session import Session
    from lse_dagster.sandbox.conversations import demo_conversations
    from lse_dagster.sandbox.environment import is_loopback
    from lse_dagster.sandbox.trace import trace_conversations

    source = os.environ if directory is None else dotenv_values(directory / "sandbox.env")
    endpoint, api_key = source.get("LANGSMITH_ENDPOINT"), source.get("LANGSMITH_API_KEY")
    if not endpoint or not api_key:
        raise click.ClickException(
            "where to trace to is not known: name a running sandbox with --dir, or set LANGSMITH_ENDPOINT"
            " and LANGSMITH_API_KEY"
        )
    # Made-up traces must never end up in somebody's real account by an environment left over from work.
    if not is_loopback(endpoint):
        raise click.ClickException(f"{endpoint} is not a sandbox: demo traces are written to loopback only")
    with clean_environment():
        try:
            look_at_server(endpoint)
        except ArchiveError as error:  # the SDK would print the same many times, in its own words
            raise ArchiveError(f"Tracing to {endpoint}", error.why, "lse sandbox serve --dir DIR") from None
        traced = trace_conversations(
            Client(api_url=endpoint, api_key=api_key, session=Session()),
            project,
            day.replace(tzinfo=UTC).date(),
            demo_conversations(traces),
            across_midnight=across_midnight,
        )
    say(f"{project} {day:%Y-%m-%d}: {traced.traces} traces with {traced.runs} runs")
