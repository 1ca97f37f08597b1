"""Who this machine is, for the folders on Drive that one machine alone writes to.

A random id, kept beside the zips, in Dagster's home and its database: with one of them left it is the same.
Two machines may have one name, and one that was set up anew has its name again.
"""

import re
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class ThisMachine:
    """The machine by the files that hold its id, in the order in which they are believed."""

    files: tuple[Path, ...]

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
        known = self._known()
        mine = known[0] if known else remembered or secrets.token_hex(8)
        kept, failure = False, None
        for file in self.files:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileExistsError), file.open("x") as opened:
                    opened.write(mine)
                kept = True
            except OSError as error:
                failure = error
        if not kept:
            raise failure or FileNotFoundError("There is no place for it")
        return self._known()[0]

    def _known(self) -> list[str]:
        found = []
        for file in self.files:
            with suppress(OSError, UnicodeDecodeError):
                if _ID.fullmatch(text := file.read_text().strip()):
                    found.append(text)
        return found
