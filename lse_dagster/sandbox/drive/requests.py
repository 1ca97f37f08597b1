"""From HTTP requests to calls: parameters, paths, small bodies."""

import contextlib
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from lse_dagster.sandbox.drive.access import Identity
from lse_dagster.sandbox.drive.call import Call
from lse_dagster.sandbox.drive.errors import bad_request
from lse_dagster.sandbox.drive.metadata import LIMIT


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
