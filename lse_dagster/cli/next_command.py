"""The command that a person is told to run next, as it can be pasted into a shell."""

import shlex


def next_command(command: str, dates: object, project: str, *, default: str | None) -> str:
    """`<command> --date <dates>`, and the project unless it is the default one."""
    line = f"{command} --date {dates}"
    return line if project == default else f"{line} --project {shlex.quote(project)}"
