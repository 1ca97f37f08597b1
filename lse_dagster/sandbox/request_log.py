"""What a server was asked, for tests and curious people. No header that could hold a secret is kept."""

from collections import deque
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.types import Message, Receive, Scope, Send

JSON_LIMIT = 64 * 1024
_ENTRIES = 5_000
_SECRET_HEADERS = {"authorization", "proxy-authorization", "x-api-key", "cookie"}


class RequestEntry(msgspec.Struct):
    """One request as it was seen. `status` is None as long as no answer was sent (or if it was dropped)."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    started: str
    secret_headers: list[str] = []
    """Names of the headers that came and are not kept."""
    status: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    fault: bool = False
    dropped: bool = False
    json: Any = None
    """The parsed body of a JSON request of at most 64 KB."""


class RequestLog:
    """The last few thousand requests of one server, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[RequestEntry] = deque(maxlen=_ENTRIES)

    @property
    def entries(self) -> list[RequestEntry]:
        """A copy of what is kept."""
        return list(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def start(self, scope: Scope) -> RequestEntry:
        """Note a request as soon as its head is there, so that the log shows requests under way too."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        entry = RequestEntry(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers={name: value for name, value in headers.items() if name not in _SECRET_HEADERS},
            started=datetime.now(UTC).isoformat(),
            secret_headers=sorted(_SECRET_HEADERS & headers.keys()),
        )
        self._entries.append(entry)
        return entry


class Observed:
    """`receive` and `send` of one request that fill in its log entry."""

    def __init__(self, entry: RequestEntry, receive: Receive, send: Send) -> None:
        self._entry = entry
        self._receive = receive
        self._send = send
        self._is_json = entry.headers.get("content-type", "").startswith("application/json")
        self._body = bytearray()

    async def receive(self) -> Message:
        """Count the body, and keep a small JSON one."""
        message = await self._receive()
        if message["type"] == "http.request":
            piece = message.get("body", b"")
            self._entry.bytes_in += len(piece)
            if self._is_json and self._entry.bytes_in <= JSON_LIMIT:
                self._body += piece
                if not message.get("more_body", False):
                    self._keep_json()
        return message

    async def send(self, message: Message) -> None:
        """Note status and size before they leave: a client that has the answer finds it in the log."""
        if message["type"] == "http.response.start":
            self._entry.status = message["status"]
        elif message["type"] == "http.response.body":
            self._entry.bytes_out += len(message.get("body", b""))
        await self._send(message)

    def _keep_json(self) -> None:
        try:
            self._entry.json = msgspec.json.decode(bytes(self._body))
        except msgspec.DecodeError:
            self._entry.json = None
