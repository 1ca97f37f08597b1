"""The least HTTP/1.1 that the clients need, written so that a page of a thousand runs is sent without a copy.

One process, one event loop, no framework. `asyncio`'s streams join what they write, so answers go to the
socket directly, many buffers at a time.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

Buffer = bytes | memoryview

_BUFFERS_PER_CALL = 256  # the kernel takes 1024, but a socket seldom takes that many bytes
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """One request, its body whole. `connection` tells connections apart."""

    method: str
    target: str
    body: bytes
    connection: int


@dataclass(frozen=True)
class Answer:
    """What to send: the body is the buffers one after another."""

    buffers: Sequence[Buffer]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(map(len, self.buffers)))


Handler = Callable[[Request], Awaitable[Answer]]


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one."""
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    listener.setblocking(False)
    return listener


async def serve(listener: socket.socket, handler: Handler) -> None:
    """Answer until cancelled."""
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Task[None]] = set()
    for number in count():
        connection, _ = await loop.sock_accept(listener)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = loop.create_task(_serve_connection(connection, number, handler))
        connections.add(task)
        task.add_done_callback(connections.discard)


async def _serve_connection(connection: socket.socket, number: int, handler: Handler) -> None:
    loop = asyncio.get_running_loop()
    received = bytearray()
    with connection:
        try:
            while (request := await _read_request(loop, connection, number, received)) is not None:
                answer = await handler(request)
                more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
                head = (
                    f"HTTP/1.1 {answer.status} X\r\nContent-Type: application/json\r\n{more}"
                    f"Content-Length: {answer.size}\r\n\r\n"
                )
                await _send(loop, connection, [head.encode(), *answer.buffers])
        except ConnectionError:
            return  # the client went away: nothing is owed to it


async def _read_request(
    loop: asyncio.AbstractEventLoop, connection: socket.socket, number: int, received: bytearray
) -> Request | None:
    while (end := received.find(b"\r\n\r\n")) < 0:
        if not await _receive(loop, connection, received):
            return None
    head = bytes(received[:end])
    length = _CONTENT_LENGTH.search(head)
    whole = end + 4 + (int(length[1]) if length else 0)
    while len(received) < whole:
        if not await _receive(loop, connection, received):
            return None
    body = bytes(received[end + 4 : whole])
    del received[:whole]
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    return Request(method, target, body, number)


async def _receive(loop: asyncio.AbstractEventLoop, connection: socket.socket, received: bytearray) -> bool:
    chunk = await loop.sock_recv(connection, 65_536)
    received += chunk
    return bool(chunk)


async def _send(loop: asyncio.AbstractEventLoop, connection: socket.socket, buffers: list[Buffer]) -> None:
    at = 0
    while at < len(buffers):
        try:
            sent = connection.sendmsg(buffers[at : at + _BUFFERS_PER_CALL])
        except BlockingIOError:
            await _writable(loop, connection)
            continue
        while at < len(buffers) and sent >= len(buffers[at]):
            sent -= len(buffers[at])
            at += 1
        if sent:
            buffers[at] = memoryview(buffers[at])[sent:]


async def _writable(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    writable = asyncio.Event()
    loop.add_writer(connection, writable.set)
    try:
        await writable.wait()
    finally:
        loop.remove_writer(connection)
