"""The click group of all `lse` commands: typed errors, exit codes and signals in one place.

Use `@click.group(cls=Commands)` for a group of commands below `lse`. Every command gets
`--verbose` and `--debug`.
"""

import logging
from typing import Any

import click

from lse_dagster.cli.terminal.errors import exit_code_of
from lse_dagster.cli.terminal.interrupts import interruptible

_DEBUG = "lse.debug"
_VERBOSE = "lse.verbose"
_HELP = {
    _VERBOSE: "Show each check, and what Dagster and the libraries log.",
    _DEBUG: "Show the traceback of an error.",
}


def debug_wanted() -> bool:
    """Whether the command that runs now was called with `--debug`."""
    return _wanted(_DEBUG)


def verbose_wanted() -> bool:
    """Whether the command that runs now was called with `--verbose`: more than a line for each step."""
    return _wanted(_VERBOSE)


def _wanted(flag: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(flag))


class Commands(click.Group):
    """Commands that raise what goes wrong; the outermost group prints it and ends the process."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.extend(map(_option, _HELP))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, with `--verbose` and `--debug`."""
        command = self.find_command(ctx, cmd_name)
        if command is not None and all(option.name != "debug" for option in command.params):
            command.params.extend(map(_option, _HELP))
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


def _option(flag: str) -> click.Option:
    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.meta[flag] = True
            if flag == _VERBOSE:
                # Not DEBUG: urllib3 logs the paths of its requests there, and some are secrets.
                logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")

    name = flag.removeprefix("lse.")
    return click.Option([f"--{name}"], is_flag=True, expose_value=False, callback=remember, help=_HELP[flag])
