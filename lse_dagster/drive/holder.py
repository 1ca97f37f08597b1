"""Which machine archives to a project's folder on Drive: one line of the folder's description.

Two that do would replace each other's copies for ever. A description comes with every look at the folder, is
replaced in one step, has no twins as a file would, and people see it in Google Drive and may take it out.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lse_dagster.drive.errors import DriveError, HeldByAnother
from lse_dagster.drive.folder import RootFolder, find_folders
from lse_dagster.drive.operation import Operation
from lse_dagster.drive.this_machine import ThisMachine

SILENT: Final = timedelta(days=2)
"""A machine that was not seen for so long is gone; LangSmith keeps days for at least a week more."""
_SEEN_EVERY: Final = timedelta(hours=6)
_COPY_IS_GONE: Final = _SEEN_EVERY + timedelta(hours=1)
_FIRST_LOOK: Final[dict[ThisMachine, datetime]] = {}
"""When this process looked first, by Drive's clock."""
_LINE: Final = re.compile(
    r"^Archived by (?P<host>[\w.-]+) \(machine (?P<id>[0-9a-f]{16}), "
    r"seen (?P<seen>\d{4}-\d\d-\d\d \d\d:\d\d) UTC\)(?:, boot (?P<boot>[0-9a-f]{8}))?[^\n]*\n?",
    re.MULTILINE | re.ASCII,
)


@dataclass(frozen=True)
class Holder:
    """A machine, and when it looked last, to the minute, by Drive's clock."""

    id: str
    host: str
    seen: datetime
    boot: str = ""

    @classmethod
    def in_description(cls, text: str) -> "Holder | None":
        """The one that a folder's description names."""
        if (found := _LINE.search(text)) is None:
            return None
        try:
            seen = datetime.fromisoformat(found["seen"]).replace(tzinfo=UTC)
        except ValueError:
            return None
        return cls(found["id"], found["host"], seen, found["boot"] or "")

    def into_description(self, text: str) -> str:
        """A description that names this one; what else people wrote there stays."""
        boot = f", boot {self.boot}" if self.boot else ""
        line = (
            f"Archived by {self.host} (machine {self.id}, seen {self.seen:%Y-%m-%d %H:%M} UTC){boot}. "
            "Take this line out if that machine is gone.\n"
        )
        rest = _LINE.sub("", text).rstrip("\n")
        return f"{rest}\n{line}" if rest else line

    def is_silent(self, now: datetime) -> bool:
        """Whether the machine is gone. A time that cannot be is no sign of life."""
        return abs(now - self.seen) >= SILENT


def folders_to_write(operation: Operation, root: RootFolder, name: str) -> list[str]:
    """As `folders_named`. Raises `HeldByAnother` while another machine archives to one of them."""
    found, machine = find_folders(operation, root, name), operation.service.machine
    if machine is not None:
        for folder in found:
            _refuse_another(operation, folder.description, machine)
    return [folder.id for folder in found]


def hold_folders(operation: Operation, root: RootFolder, name: str) -> tuple[list[str], Holder | None]:
    """As `folders_to_write`; and the folder says from now on that this machine archives to it.

    And who did until then and is gone, once. That takes a request every few hours. Where the folder cannot be
    described (the account may not, or people wrote all that fits), or no id be kept, it goes without.
    """
    found, machine = find_folders(operation, root, name), operation.service.machine
    ids = [folder.id for folder in found]
    if machine is None or not found:
        return ids, None
    for folder in found:
        _refuse_another(operation, folder.description, machine)
    holder, now = Holder.in_description(found[0].description), operation.service.now()
    is_ours = holder is not None and machine.is_called(holder.id)
    began = _FIRST_LOOK.setdefault(machine, now)
    if holder is not None and is_ours:
        _refuse_copy(operation, holder, machine, began)
    if holder is None or not is_ours or abs(now - holder.seen) >= _SEEN_EVERY:
        with suppress(DriveError, OSError):
            said = Holder(machine.id(), machine.host, now, machine.boot).into_description(
                found[0].description
            )
            request = operation.service.files.update(
                fileId=found[0].id, body={"description": said}, fields="id", supportsAllDrives=True
            )
            operation.call(request, dict)
            return ids, None if is_ours else holder
    return ids, None


def _refuse_copy(operation: Operation, holder: Holder, machine: ThisMachine, began: datetime) -> None:
    """Raise if a copy of this machine's disks is alive: it was seen there since this process looks.

    What was seen before may be this machine before a restart, on another host, or before it was restored.
    """
    other = holder.boot and machine.boot and holder.boot != machine.boot
    if other and holder.seen > began and abs(operation.service.now() - holder.seen) < _COPY_IS_GONE:
        raise HeldByAnother(
            operation.what,
            f"{holder.host} archives to that folder with the id of this machine: one of them is a copy of "
            f"the other. It was seen there last on {holder.seen:%Y-%m-%d %H:%M} UTC.",
            f"Stop one of the two. If {holder.host} is gone: this one goes on by itself from "
            f"{holder.seen + _COPY_IS_GONE:%Y-%m-%d %H:%M} UTC on.",
        )


def _refuse_another(operation: Operation, description: str, machine: ThisMachine) -> None:
    holder = Holder.in_description(description)
    if holder is None or holder.is_silent(operation.service.now()) or machine.is_called(holder.id):
        return
    raise HeldByAnother(
        operation.what,
        f"{holder.host} archives to that folder; it was seen there last on {holder.seen:%Y-%m-%d %H:%M} UTC.",
        "Archive a project on one machine only. If that one is gone: this one goes on by itself from "
        f"{holder.seen + SILENT:%Y-%m-%d %H:%M} UTC on, or at once when you take the line "
        f"`Archived by {holder.host} ...` out of the folder's description in Google Drive.",
    )
