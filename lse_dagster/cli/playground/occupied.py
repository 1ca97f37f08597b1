"""What keeps `lse dev` from starting: somebody else on its port, or on its Dagster home.

Looked at before anything is started, so that nothing has to be ended again.
"""

import errno
import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from lse_dagster.cli.running.instance import CLAIM
from lse_dagster.errors import ArchiveError

_HOST: Final = "127.0.0.1"
_LISTENS: Final = "0A"
"""TCP_LISTEN in /proc/net/tcp: the fourth field; the second is address:port in hex, the tenth the inode."""
_LONGEST: Final = 60
_NEXT_PORTS: Final = 20


class PortInUse(ArchiveError):
    """The UI's port cannot be had."""

    def __init__(self, port: int, error: OSError) -> None:
        other = next((one for one in range(port + 1, port + _NEXT_PORTS) if _refusal(one) is None), None)
        if error.errno == errno.EADDRINUSE:
            why = f"Port {port} is taken by {listener(port) or 'a process that is not known here'}."
        else:
            why = f"Port {port} cannot be had: {os.strerror(error.errno or 0).lower()}."
        super().__init__(
            "Opening the Dagster UI",
            why,
            f"lse dev --port {other or 'PORT'}, or end that process first. Nothing was started.",
        )


class HomeInUse(ArchiveError):
    """Two daemons on one home would start each night's runs twice."""

    def __init__(self, home: Path, said: str) -> None:
        found = re.match(r"(\d+) (\d*)", said)
        pid, port = found.groups() if found else ("", "")
        where = f" at http://{_HOST}:{port}" if port else ""
        who = f"process {pid}{where}" if pid else "another process"
        ending = f"end it: Ctrl+C where it runs, or kill -INT {pid}" if pid else "wait until it has ended"
        super().__init__(
            f"Starting on the Dagster home {home}",
            f"Dagster runs on it already: {who}.",
            f"Use the one that runs, or {ending}. Nothing was started.",
        )


@dataclass(frozen=True)
class Claim:
    """A home that is ours until every process that has the file open has ended, however it ends."""

    file: IO[str]

    def is_served_by(self, pid: int, port: int | str = "") -> None:
        """Leave word for who comes next."""
        self.file.seek(0)
        self.file.truncate()
        self.file.write(f"{pid} {port}\n")
        self.file.flush()


@contextmanager
def alone_on(home: Path) -> Iterator[Claim]:
    """Nobody else runs `lse dev` on this home within the block. Raises `HomeInUse`.

    A lock of the kernel: it ends with its processes, so one that was killed keeps nobody out.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / CLAIM).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise HomeInUse(home, file.read(100)) from None
        claim = Claim(file)
        claim.is_served_by(os.getpid())
        yield claim


def expect_free(port: int, home: Path) -> None:
    """Raises `HomeInUse`, `PortInUse`; in this order, as on a home in use another port does not help."""
    if home.exists():
        with alone_on(home):
            pass
    if (error := _refusal(port)) is not None:
        raise PortInUse(port, error)


def listener(port: int) -> str | None:
    """The process that listens on the port, as `1234 (python -m http.server)`; None where nobody says."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for link in Path("/proc").glob("[0-9]*/fd/*") if sockets else ():
        with suppress(OSError):  # another user's, or gone meanwhile
            if str(link.readlink()) in sockets:
                process = link.parent.parent
                words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                command = " ".join(filter(None, [Path(words[0]).name, *words[1:]]))
                return f"process {process.name} ({command[:_LONGEST].strip()})"
    return None


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):  # no Linux
            for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _refusal(port: int) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            return error
    return None
