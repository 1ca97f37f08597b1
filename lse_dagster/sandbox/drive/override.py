"""X-HTTP-Method-Override: Google's clients send a GET with a URL over 2,048 characters as a POST.

Its parameters are in the form body then. Here it becomes the GET again that it stands for.
"""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lse_dagster.sandbox.drive.errors import DriveError, answer_error
from lse_dagster.sandbox.drive.requests import small_body


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
