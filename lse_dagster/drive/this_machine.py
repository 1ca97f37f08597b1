"""Who this machine is, for the folders on Drive that one machine alone writes to.

A random id, kept beside the zips, in Dagster's home and its database: with one of them left it is the same.
Two machines may have one name, and one that was set up anew has its name again.
"""

import os
import re
import secrets
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

_ID: Final = re.compile(r"[0-9a-f]{16}")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_ONE_AT_A_TIME: Final = threading.Lock()
"""The sensors of all projects begin at once."""


@cache
def this_boot() -> str:
    """What tells a machine from a copy of its disks that runs beside it; empty where nothing does."""
    with suppress(OSError, UnicodeDecodeError):
        return _BOOT.read_text()[:8]
    return ""


@dataclass(frozen=True)
class ThisMachine:
    """The machine by the files that hold its id, in the order in which they are believed."""

    files: tuple[Path, ...]
    boot: str = field(default_factory=this_boot)

    @property
    def host(self) -> str:
        """Its name, for people."""
        return re.sub(r"[^\w.-]", "-", socket.gethostname(), flags=re.ASCII)[:60] or "unnamed"

    def is_called(self, machine_id: str) -> bool:
        """Whether this is the machine of an id."""
        return machine_id in self._known()

    def id(self, remembered: str | None = None) -> str:
        """Its id, kept wherever that can be: the one that is remembered elsewhere, or a new one.

        Raises `OSError` if it can be kept nowhere.
        """
        with _ONE_AT_A_TIME:
            return self._kept_id(remembered)

    def _kept_id(self, remembered: str | None) -> str:
        known = self._known()
        mine = known[0] if known else remembered or secrets.token_hex(8)
        kept, failure = False, None
        for file in self.files:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                if _read(file) is None:
                    _put(file, mine)
                kept = True
            except OSError as error:
                failure = error
        if not kept:
            raise failure or FileNotFoundError("There is no place for it")
        return next(iter(self._known()), mine)

    def _known(self) -> list[str]:
        found = []
        for file in self.files:
            with suppress(OSError):
                if (known := _read(file)) is not None:
                    found.append(known)
        return found


def _read(file: Path) -> str | None:
    """The id in a file; None of one that is empty, as after a power cut, or holds something else.

    Raises `OSError` where nobody can tell: such a file stays.
    """
    try:
        text = file.read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return text if _ID.fullmatch(text) else None


def _put(file: Path, text: str) -> None:
    """In one step, and flushed: a file that is there is whole. Of two at once the first one does it."""
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("x") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(part, file)
        except OSError:  # it is there, or this file system has no links
            if _read(file) is None:
                part.replace(file)
    finally:
        part.unlink(missing_ok=True)
