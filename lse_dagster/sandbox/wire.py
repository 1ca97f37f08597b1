"""The connection below an ASGI app: cutting, truncating and corrupting what goes over it.

ASGI has no word for "drop the TCP connection", so `TransportProtocol` puts uvicorn's transport into the
request's scope and the wrappers here use it.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lse_dagster.sandbox.faults import Fault

TRANSPORT = "lse_sandbox.transport"


class TransportProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol; every request's `scope["state"]` also holds its transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the transport where uvicorn copies the state of each request from."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


class FaultyWire:
    """`receive` and `send` of one request with one fault applied to the bytes that pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, fault: Fault) -> None:
        self._transport: asyncio.Transport | None = scope.get("state", {}).get(TRANSPORT)
        self._receive = receive
        self._send = send
        self._fault = fault
        self._received = 0
        self._budget = _first_of(fault.truncate, fault.drop_after)
        self.dropped = False

    async def receive(self) -> Message:
        """Hand the request to the app, up to the byte where the connection is dropped."""
        if self.dropped:
            return {"type": "http.disconnect"}
        limit = self._fault.drop_request_after
        if limit is None:
            return await self._receive()
        if self._received >= limit:
            self._drop(at_once=True)
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            message["body"] = message.get("body", b"")[: limit - self._received]
            self._received += len(message["body"])
            message["more_body"] = message.get("more_body", False) or self._received >= limit
        return message

    async def send(self, message: Message) -> None:
        """Pass on the app's response as far as the fault lets it through."""
        if self.dropped:
            return
        if self._fault.drop_after is not None and self._fault.drop_after < 0:
            self._drop(at_once=False)
        elif message["type"] == "http.response.start":
            await self._send(self._with_length(message))
        elif message["type"] == "http.response.body":
            await self._send_body(message)
        else:
            await self._send(message)

    async def wait_closed(self) -> None:
        """Wait until the server has seen its own drop, or it would try to finish the response."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _send_body(self, message: Message) -> None:
        body = bytes(message.get("body", b""))
        if self._fault.corrupt and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :]
        if self._budget is None:
            await self._send({**message, "body": body})
            return
        piece = body[: self._budget]
        self._budget -= len(piece)
        if self._fault.drop_after is None:
            await self._send({**message, "body": piece})
            return
        await self._send({**message, "body": piece, "more_body": True})
        if self._budget == 0 or not message.get("more_body", False):
            self._drop(at_once=False)

    def _with_length(self, message: Message) -> Message:
        limit = self._fault.truncate
        if limit is None:
            return message
        headers = [
            (name, str(min(int(value), limit)).encode() if name.lower() == b"content-length" else value)
            for name, value in message.get("headers", [])
        ]
        changed: MutableMapping[str, Any] = {**message, "headers": headers}
        return changed

    def _drop(self, *, at_once: bool) -> None:
        self.dropped = True
        if self._transport is None:
            raise RuntimeError("dropping a connection needs the server of lse_dagster.sandbox.server")
        if at_once:
            self._transport.abort()
        else:
            # close() flushes first: the bytes that were promised arrive, then the stream ends too early.
            self._transport.close()


def _first_of(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
