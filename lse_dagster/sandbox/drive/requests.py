"""From HTTP requests to calls: parameters, paths, small bodies."""

import contextlib
from collections.abc import AsyncIterator

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lse_dagster.sandbox.drive.access import Identity
from lse_dagster.sandbox.drive.call import Call
from lse_dagster.sandbox.drive.errors import DriveError, answer_error, bad_request
from lse_dagster.sandbox.drive.files.metadata import LIMIT


def call_of(request: Request, identity: Identity, body: bytes = b"") -> Call:
    """The call that a request makes."""
    return Call(
        identity=identity,
        params=dict(request.query_params),
        base_url=base_url(request),
        path=dict(request.path_params),
        headers=request.headers,
        body=body,
    )


def base_url(request: Request) -> str:
    """This server as the client reached it; links and session URIs start with it."""
    return str(request.base_url).rstrip("/")


async def small_body(stream: AsyncIterator[bytes]) -> bytes:
    """The body of a metadata request."""
    body = b""
    async for piece in stream:
        body += piece
        if len(body) > LIMIT:
            raise bad_request("The request body is too large.")
    return body


async def discard(stream: AsyncIterator[bytes]) -> None:
    """Read what is left of a body and forget it. A stream that was read to its end has nothing left."""
    with contextlib.suppress(ClientDisconnect):
        async for _ in stream:
            pass


class MethodOverride:
    """The app behind this translation."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Translate a disguised GET; let everything else through."""
        wanted = Headers(scope=scope).get("x-http-method-override") if scope["type"] == "http" else None
        if wanted is None or scope["method"] != "POST" or wanted.upper() != "GET":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            form = await small_body(request.stream())
        except DriveError as error:
            await (await answer_error(request, error))(scope, receive, send)
            return
        query = b"&".join(filter(None, (scope["query_string"], form)))
        await self._app({**scope, "method": "GET", "query_string": query}, _Empty(receive).receive, send)


class _Empty:
    """A request without a body; after that, what the connection says."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._told = False

    async def receive(self) -> Message:
        if self._told:
            return await self._receive()
        self._told = True
        return {"type": "http.request", "body": b"", "more_body": False}
