"""`lse` in a pseudo-terminal, and what a person sees there: pexpect types, pyte is the screen."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pexpect
import pyte

_PATIENCE = 300.0
_PIECE = 65_536


class Terminal:
    """One command in a terminal of its own. As a context manager it ends the command with the block."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        columns: int = 120,
        lines: int = 50,
    ) -> None:
        self._child: pexpect.spawn[bytes] = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(folder),
            env={**environment, "TERM": "xterm-256color"},
            dimensions=(lines, columns),
            timeout=_PATIENCE,
        )
        self._child.delaybeforesend = None
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.sent_by_command = b""
        """Every byte that came, control sequences included."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._child.close(force=True)

    @property
    def pid(self) -> int:
        """The command's process."""
        pid = self._child.pid
        assert pid is not None
        return pid

    @property
    def text(self) -> str:
        """What stands on the screen now, without the blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def lines(self) -> list[str]:
        """The lines of the screen."""
        return self.text.splitlines()

    def wait_for(self, *texts: str) -> str:
        """Read on until all the texts are on the screen at once; the screen. Fails when that never comes."""
        deadline = time.monotonic() + _PATIENCE
        while not all(text in self.text for text in texts):
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{texts} did not come. The screen:\n{self.text}")
        return self.text

    def type(self, text: str) -> None:
        """Type a line and press Enter."""
        self._child.sendline(text)

    def interrupt(self) -> None:
        """Press Ctrl+C."""
        self._child.sendintr()

    def end_of_input(self) -> None:
        """Press Ctrl+D."""
        self._child.sendeof()

    def resize(self, columns: int, lines: int = 50) -> None:
        """Change the window's size, as a person does with the mouse."""
        self._child.setwinsize(lines, columns)
        self._screen.resize(lines, columns)

    def wait_until_it_ends(self) -> int:
        """Read the rest of the output; the exit code, negative for a signal."""
        deadline = time.monotonic() + _PATIENCE
        while self._read(deadline - time.monotonic()):
            pass
        assert time.monotonic() < deadline, f"It did not end. The screen:\n{self.text}"
        self._child.wait()
        signal = self._child.signalstatus
        return -int(signal) if signal is not None else int(self._child.exitstatus or 0)

    def _read(self, seconds: float) -> bool:
        """Feed the screen with what comes next; False when nothing will come any more."""
        try:
            piece = self._child.read_nonblocking(_PIECE, timeout=max(0.0, seconds))
        except (pexpect.EOF, pexpect.TIMEOUT):
            return False
        self.sent_by_command += piece
        self._stream.feed(piece)
        return True


def clean_environment() -> dict[str, str]:
    """The environment of a person who has set nothing of ours."""
    ours = ("LSE_", "LANGSMITH_", "LANGCHAIN_", "GOOGLE_", "DAGSTER_", "NO_COLOR", "COLUMNS", "LINES", "CI")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
