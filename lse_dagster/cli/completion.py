"""`lse completion`: the script that teaches a shell to complete commands, options, projects and days."""

import click
from click.shell_completion import get_completion_class

from lse_dagster.cli.terminal.console import say

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_LSE_COMPLETE"
_INSTALL = {
    "bash": '# Install: put this line into ~/.bashrc:  eval "$(lse completion bash)"',
    "zsh": '# Install: put this line into ~/.zshrc, after compinit:  eval "$(lse completion zsh)"',
    "fish": "# Install: lse completion fish > ~/.config/fish/completions/lse.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell. Its first line says how to install it.

    Projects come from LSE_PROJECTS and the data directory, days from the day folders and zips on this disk.

    Example: eval "$(lse completion bash)"
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  click knows these three
    script = found(ctx.find_root().command, {}, "lse", _VARIABLE)
    say(_INSTALL[shell])
    say(script.source())
