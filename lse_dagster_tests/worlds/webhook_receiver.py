"""A webhook's other end on loopback: keeps what it was sent, and can refuse."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What came in. `status` is the answer to everything but messages with one of these `words`."""

    url: str = ""
    status: int = 200
    texts: list[str] = field(default_factory=list)
    """The messages that were taken."""
    on_message: Callable[[], object] = lambda: None
    """Called for each message before it is answered."""
    pings: int = 0
    """How often the address was asked for, and answered well."""
    refused: int = 0
    words: dict[str, int] = field(default_factory=dict)
    """The status for messages that hold a word."""


@contextmanager
def running_receiver(secret: str = "T0/B0/s3cr3t") -> Iterator[Receiver]:
    """A receiver whose address holds a secret, as Slack's do."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.on_message()
            own = (status for word, status in receiver.words.items() if word in body["text"])
            status = next(own, receiver.status)
            if status == 200:
                receiver.texts.append(body["text"])
            else:
                receiver.refused += 1
            self.send_response(status)
            self.end_headers()

        def do_GET(self) -> None:
            receiver.pings += receiver.status == 200
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/services/{secret}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
