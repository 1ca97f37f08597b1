"""The consent screen seen from the terminal: the address to open, and the answer, however it comes back.

The answer reaches the listener on this machine, or somebody pastes it: both are waited for at once.
"""

import os
import select
import sys
import time

from lse_dagster.cli.terminal.browser import open_in_browser
from lse_dagster.cli.terminal.console import stdout
from lse_dagster.drive.errors import SignInTimedOut
from lse_dagster.drive.sign_in.login import Consent
from lse_dagster.drive.sign_in.loopback import Loopback, is_answer


def show_question(consent: Consent, *, open_browser: bool) -> None:
    """Print where to agree, and open it in a browser."""
    _say("Open this address in a browser, sign in to Google, and agree:")
    _say(f"\n{consent.url}\n")
    _say(f"The answer comes to {consent.redirect_uri} on this machine.")
    _say(
        "If the browser runs elsewhere, it ends at a page that does not open: copy the whole address of that "
        "page from the address bar, paste it here, and press Enter."
    )
    if open_browser and not open_in_browser(consent.url):
        _say("No browser could be opened here: open the address yourself.")


def wait_for_answer(listener: Loopback, *, seconds: int) -> str:
    """The address with Google's answer: heard or pasted, whichever comes first. Raises `SignInTimedOut`."""
    end = time.monotonic() + seconds
    typed = _Typed()
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([listener.fileno(), *typed.sources], [], [], left)
        if listener.fileno() in ready:
            return listener.answer()
        for line in typed.lines() if ready else ():
            if is_answer(line):
                return line
            _say(
                "That is not the address with Google's answer: it holds `state=` and `code=`. Paste it whole."
            )
    raise SignInTimedOut(
        "Signing in with `lse auth login`",
        f"No answer came within {seconds} seconds.",
        "run `lse auth login` again; on a machine without a browser add --no-browser and paste the address",
    )


class _Typed:
    """Lines from stdin as they come; read past Python's buffer, of which `select` knows nothing."""

    def __init__(self) -> None:
        self._rest = b""
        self.sources: list[int] = []
        """What `select` waits on; nothing when stdin is closed or has ended."""
        try:
            self.sources = [sys.stdin.fileno()]
        except (OSError, ValueError, AttributeError):
            return

    def lines(self) -> list[str]:
        """The whole lines that are there now, without empty ones."""
        (source,) = self.sources
        if not (read := os.read(source, 65536)):
            self.sources = []
        *lines, self._rest = (self._rest + read).split(b"\n")
        texts = (line.decode("utf-8", "replace").strip() for line in lines)
        return [text for text in texts if text]


def _say(text: str) -> None:
    stdout().print(text, markup=False, soft_wrap=True)
