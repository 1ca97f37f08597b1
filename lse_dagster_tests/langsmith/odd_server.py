"""A server on loopback that answers as a test says, down to the bytes: what no LangSmith would send.

The sandbox is LangSmith; this is what may stand in its place: a proxy, a store out of order, an attacker.
"""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Question:
    """One request, and the ways to answer it."""

    path: str
    """With its query."""
    headers: dict[str, str]
    body: bytes
    _handler: BaseHTTPRequestHandler

    @property
    def client(self) -> tuple[str, int]:
        """The other end of the connection."""
        host, port = self._handler.client_address[:2]
        return host, port

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """The whole answer."""
        known = {"Content-Length": str(len(body))} | (headers or {})
        self.raw(f"HTTP/1.1 {status} Odd\r\n".encode())
        self.raw("".join(f"{name}: {value}\r\n" for name, value in known.items()).encode("latin-1"))
        self.raw(b"\r\n" + body)

    def trickle(self, before: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n") -> None:
        """Bytes one by one, until the client has had enough."""
        self.raw(before)
        with suppress(OSError):
            while True:
                self.raw(b" ")

    def raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()


Script = Callable[[Question], None]


@dataclass
class OddServer:
    """A running one."""

    url: str
    script: Script
    asked: list[Question] = field(default_factory=list)
    connections: int = 0
    """How many were opened, whatever became of them."""


@contextmanager
def running_odd_server(tls: ssl.SSLContext | None = None) -> Iterator[OddServer]:
    """One that says 404 until its `script` is set."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            question = Question(self.path, dict(self.headers), body, self)
            odd.asked.append(question)
            odd.script(question)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            odd.connections += 1
            with suppress(OSError):  # who does not like the certificate leaves
                super().finish_request(
                    tls.wrap_socket(request, server_side=True) if tls else request, client_address
                )

    with Server(("127.0.0.1", 0), Handler) as server:
        address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        odd = OddServer(address, lambda question: question.answer(404))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield odd
        server.shutdown()
        thread.join()
