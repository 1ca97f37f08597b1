"""`lse auth status` on the terminal and as JSON. No content of a secret file is known here."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.text import Text

from lse_dagster.cli.terminal.console import say, stderr, stdout
from lse_dagster.cli.terminal.errors import error_document
from lse_dagster.drive.status import ArchiveFolder, DriveUser, SecretFile, SignInStatus

_WAYS = {
    "service_account": "a service account's key",
    "oauth2": "your own account (OAuth)",
    "adc": "application default credentials",
}


def print_report(status: SignInStatus) -> None:
    """A line for each thing that is known; what is in the way comes after it, as an error."""
    lines = _lines(status)
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        stdout().print(Text.assemble((f"{name:<{width}}", "bold"), "  ", value), soft_wrap=True)
    for warning in warnings(status):
        stderr().print(Text.assemble(("Warning: ", "bold yellow"), warning), soft_wrap=True)
    if status.problem is None:
        stdout().print(Text("✓ Uploads will work.", style="green"))


def print_json(status: SignInStatus) -> None:
    """One document: the fields of `SignInStatus`, and `uploads_work` and `warnings`."""
    problem = status.problem
    document = {
        "uploads_work": problem is None,
        "auth_type": status.auth_type,
        "impersonate": status.impersonate,
        "files": [{**_plain(file), "mode": _mode(file)} for file in status.files],
        "source": status.source,
        "user": status.user and {**_plain(status.user), "free_bytes": status.user.free_bytes},
        "folder": status.folder and _plain(status.folder),
        "warnings": warnings(status),
        # `next_step` is what it was called here alone; who reads it goes on.
        "problem": problem and {**error_document(problem), "next_step": problem.next_step},
    }
    say(json.dumps(document, indent=2, default=str))


def warnings(status: SignInStatus) -> list[str]:
    """What works and should still be mended."""
    return [
        f"{file.path} can be read by others on this machine: chmod 600 {file.path}"
        for file in status.files
        if file.readable_by_others
    ]


def _lines(status: SignInStatus) -> list[tuple[str, str]]:
    lines = [("Signs in with", f"{_WAYS[status.auth_type]} ({status.auth_type})")]
    lines += [
        (file.variable, f"{file.path} ({_mode(file) or 'there is no such file'})") for file in status.files
    ]
    if status.source:
        lines.append(("Found in", status.source))
    if status.impersonate:
        lines.append(("Acts as", status.impersonate))
    if status.user is not None:
        lines.append(("Signed in as", _who(status.user)))
    if status.folder is not None:
        lines += [
            ("Folder", status.folder.name),
            ("Link", status.folder.link),
            ("Is in", _where(status.folder)),
        ]
        lines.append(("May add files", "yes" if status.folder.writable else "no"))
    if status.user is not None:
        lines.append(("Free space", _space(status.user, status.folder)))
    return lines


def _who(user: DriveUser) -> str:
    return user.email if user.name in {"", user.email} else f"{user.name} <{user.email}>"


def _where(folder: ArchiveFolder) -> str:
    if folder.drive_id is None:
        return "My Drive"
    return (
        f"the shared drive {folder.drive_name}"
        if folder.drive_name
        else f"a shared drive ({folder.drive_id})"
    )


def _space(user: DriveUser, folder: ArchiveFolder | None) -> str:
    if folder is not None and folder.drive_id is not None:
        return "that of the shared drive's organisation"
    if user.is_service_account:
        return "none: a service account has no storage of its own"
    if user.free_bytes is None or user.limit_bytes is None:
        return "unlimited"
    return f"{_gigabytes(user.free_bytes)} of {_gigabytes(user.limit_bytes)}"


def _gigabytes(count: int) -> str:
    return f"{count / 1024**3:.1f} GB"


def _mode(file: SecretFile) -> str | None:
    return None if file.mode is None else f"{file.mode:04o}"


def _plain(value: Any) -> dict[str, Any]:
    return {
        name: str(item) if isinstance(item, Path) else item
        for name, item in dataclasses.asdict(value).items()
    }
