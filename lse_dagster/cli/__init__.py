"""The `lse` command. Commands are imported when they run: `lse --help` must not pay for Dagster."""

import importlib

import click

_COMMANDS = {
    "demo": ("lse_dagster.cli.demo", "Archive a day on the sandbox, restore it, compare: the whole road."),
    "dev": ("lse_dagster.cli.dev", "Open the Dagster UI on your accounts (.env), or on the sandbox."),
    "sandbox": ("lse_dagster.cli.sandbox", "LangSmith and Google Drive on loopback, to try things out."),
}


class _LazyGroup(click.Group):
    """Knows its commands by name and one line, and imports a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in sorted(_COMMANDS.items())])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module_name, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module_name), cmd_name)
        return command


@click.group(cls=_LazyGroup)
def main() -> None:
    """Archive LangSmith traces day by day, verified, and bring them back."""
