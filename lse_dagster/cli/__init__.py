"""The `lse` command. Commands are imported when they run: `lse --help` must not pay for Dagster."""

import importlib

import click

from lse_dagster.cli.terminal.group import Commands

_COMMANDS = {
    "archive": ("lse_dagster.cli.archive", "Fetch, zip, upload and restore days, with bars and questions."),
    "auth": ("lse_dagster.cli.auth.command", "Sign in to Google Drive, and see who is signed in."),
    "completion": ("lse_dagster.cli.completion", "Print the script for a shell to complete what you type."),
    "demo": (
        "lse_dagster.cli.playground.demo",
        "Archive a day on the sandbox, restore it, compare: the whole road.",
    ),
    "dev": (
        "lse_dagster.cli.playground.dev",
        "Open the Dagster UI on your accounts (.env), or on the sandbox.",
    ),
    "doctor": ("lse_dagster.cli.doctor", "Show what is configured, what answers and what is missing."),
    "free": ("lse_dagster.cli.free", "Take days off this disk that are verified on Drive."),
    "health": ("lse_dagster.cli.health", "Say in one line whether all is well: for monitoring."),
    "init": ("lse_dagster.cli.init.command", "Ask for what .env needs, test each answer, write the file."),
    "migrate": ("lse_dagster.cli.migrate", "Bring the data of the first system into day folders."),
    "open": ("lse_dagster.cli.open_page", "Open a day on Drive, a project on LangSmith, or Dagster's page."),
    "sandbox": (
        "lse_dagster.cli.playground.sandbox",
        "LangSmith and Google Drive on loopback, to try things out.",
    ),
    "status": (
        "lse_dagster.cli.status.command",
        "Show where the days of a month lie, and what is to be done.",
    ),
    "verify": ("lse_dagster.cli.verify", "Compare day folder, zip, Drive copy and LangSmith again."),
}


class _LazyGroup(Commands):
    """Knows its commands by name and one line, and imports a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in sorted(_COMMANDS.items())])

    def find_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module_name, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module_name), cmd_name)
        return command


@click.group(cls=_LazyGroup, invoke_without_command=True)
@click.version_option(package_name="lse-dagster", message="lse %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Archive LangSmith traces day by day, verified, and bring them back.

    Without a command: in which state this folder is, and what is next.
    """
    if ctx.invoked_subcommand is None:
        from lse_dagster.cli.start import show_state

        show_state()
