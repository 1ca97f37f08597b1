"""The click group of all `lse` commands: typed errors, exit codes and signals in one place.

Use `@click.group(cls=Commands)` for a group of commands below `lse`. Every command gets `--debug`.
"""

from typing import Any

import click

from lse_dagster.cli.terminal.errors import exit_code_of
from lse_dagster.cli.terminal.interrupts import interruptible

_DEBUG = "lse.debug"


def debug_wanted() -> bool:
    """Whether the command that runs now was called with `--debug`."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_DEBUG))


class Commands(click.Group):
    """Commands that raise what goes wrong; the outermost group prints it and ends the process."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(_debug_option())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, with `--debug`."""
        command = self.find_command(ctx, cmd_name)
        if command is not None and all(option.name != "debug" for option in command.params):
            command.params.append(_debug_option())
        return command

    def find_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command as it was registered."""
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors become lines and an exit code."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        try:
            with interruptible():
                return super().invoke(ctx)
        except BaseException as error:
            code = exit_code_of(error, debug=bool(ctx.meta.get(_DEBUG)))
        return ctx.exit(code)


def _debug_option() -> click.Option:
    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.meta[_DEBUG] = True

    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Show the traceback of an error.",
    )
