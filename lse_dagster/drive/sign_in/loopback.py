"""The address on this machine to which Google's consent screen sends the browser back.

Listens on 127.0.0.1 only, where any web page and any program may knock: it waits for the answer that carries
its own `state`, which only Google was given, whatever else comes. Whether it is a good one `login.py` tells.
"""

import contextlib
import queue
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lse_dagster.drive.errors import PortInUse

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.05
_PAGE = (
    b'<!doctype html><html lang="en"><meta charset="utf-8"><title>LangSmith day archive</title>'
    b"<p>Google's answer has arrived. Go on in the terminal; this page can be closed.</p>"
)


class Loopback:
    """A listener and what it has heard. Readable (for `select`) from the moment an answer is there."""

    def __init__(self, port: int, state: str, heard: "queue.SimpleQueue[str]", signal: socket.socket) -> None:
        self.redirect_uri = f"http://{_HOST}:{port}/"
        self.state = state
        """What the answer has to carry; to be told to Google and to nobody else."""
        self._heard = heard
        self._signal = signal

    def fileno(self) -> int:
        """What `select` waits on."""
        return self._signal.fileno()

    def answer(self) -> str:
        """The address with which the browser came; call it when this is readable."""
        return self._heard.get()


@contextlib.contextmanager
def listening(port: int = 0) -> Iterator[Loopback]:
    """Listen until the block ends; port 0 takes any free one. Raises `PortInUse`."""
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    state = secrets.token_urlsafe(32)
    ours, theirs = socket.socketpair()
    with ours, theirs, _server(port, state, heard, theirs) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        thread.start()
        try:
            yield Loopback(server.server_address[1], state, heard, ours)
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    """One thread a connection: browsers open some ahead and send nothing on them."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a connection that broke is not the answer."""


def is_answer(text: str, state: str | None = None) -> bool:
    """Whether this looks like the address of an answer, to the question with this state if one is given."""
    try:
        query = parse_qs(urlsplit(text).query)
    except ValueError:  # of something like `http://[`
        return False
    (carried,) = query.get("state", [""])[:1]
    ours = state is None or secrets.compare_digest(carried.encode(), state.encode())
    return ours and "state" in query and bool({"code", "error"} & query.keys())


def _server(port: int, state: str, heard: "queue.SimpleQueue[str]", signal: socket.socket) -> _Server:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not is_answer(self.path, state):
                self.send_error(404)  # a favicon, an older answer, or somebody who looks around or forges one
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(_PAGE)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(_PAGE)
            # Only now: who is told may end the process, and the browser would be left without its page.
            heard.put(f"http://{_HOST}{self.path}")
            with contextlib.suppress(OSError):
                signal.send(b".")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the address holds the code."""

    try:
        return _Server((_HOST, port), Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
    raise PortInUse(
        f"Listening on {_HOST}:{port} for Google's answer",
        f"{reason}.",
        "give another one with --port, or leave it out for any free one",
    )
