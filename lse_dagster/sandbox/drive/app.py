"""The Drive server: which path leads to which handler."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lse_dagster.sandbox.control import PREFIX, Control, json_response
from lse_dagster.sandbox.drive.access import authenticate
from lse_dagster.sandbox.drive.call import Drive, Handler
from lse_dagster.sandbox.drive.errors import DriveError, answer_error, error_body
from lse_dagster.sandbox.drive.files import accounts, listing, revisions
from lse_dagster.sandbox.drive.files import calls as files
from lse_dagster.sandbox.drive.pages import Pages
from lse_dagster.sandbox.drive.requests import MethodOverride, call_of, small_body
from lse_dagster.sandbox.drive.settings import Switches
from lse_dagster.sandbox.drive.sign_in.consent import ConsentScreen
from lse_dagster.sandbox.drive.sign_in.metadata_server import MetadataServer
from lse_dagster.sandbox.drive.sign_in.oauth import TokenEndpoint
from lse_dagster.sandbox.drive.store import Store
from lse_dagster.sandbox.drive.uploads.protocols import Uploads
from lse_dagster.sandbox.drive.world import prepare

Endpoint = Callable[[Request], Awaitable[Response]]

_API: list[tuple[str, str, Handler]] = [
    ("GET", "/about", accounts.get_about),
    ("GET", "/drives", accounts.list_drives),
    ("GET", "/drives/{drive_id}", accounts.get_drive),
    ("GET", "/files", listing.list_files),
    ("POST", "/files", files.create_file),
    ("GET", "/files/generateIds", files.generate_ids),
    ("GET", "/files/{file_id}", files.get_file),
    ("PATCH", "/files/{file_id}", files.update_file),
    ("DELETE", "/files/{file_id}", files.delete_file),
    ("GET", "/files/{file_id}/revisions", revisions.list_revisions),
    ("GET", "/files/{file_id}/revisions/{revision_id}", revisions.get_revision),
    ("DELETE", "/files/{file_id}/revisions/{revision_id}", revisions.delete_revision),
]


def create_drive_app(directory: Path, control: Control) -> Starlette:
    """The app over the state below a directory. `control`, which wraps it, learns its clock."""
    store = Store(directory)
    prepare(store)
    store.remove_unused_contents()
    drive = Drive(store, Switches(store))
    control.clock = drive.switches.clock
    uploads, tokens, pages = Uploads(drive), TokenEndpoint(drive), Pages(drive)
    routes = [
        Route(f"/drive/v3{path}", _endpoint(drive, handler), methods=[method])
        for method, path, handler in _API
    ]
    for prefix in ("/upload", "/resumable/upload"):
        routes += [
            Route(f"{prefix}/drive/v3/files", uploads.receive, methods=["POST", "PUT"]),
            Route(f"{prefix}/drive/v3/files/{{file_id}}", uploads.receive, methods=["PATCH", "PUT"]),
        ]
    routes += [
        Route("/o/oauth2/auth", ConsentScreen(drive).ask, methods=["GET"]),
        Route("/token", tokens.token, methods=["POST"]),
        Route("/", MetadataServer(tokens).answer, methods=["GET"]),
        Route("/computeMetadata/v1/{path:path}", MetadataServer(tokens).answer, methods=["GET", "POST"]),
        Route("/revoke", tokens.revoke, methods=["POST"]),
        Route("/drive/folders/{file_id}", pages.folder, methods=["GET"]),
        Route("/file/d/{file_id}/view", pages.file, methods=["GET"]),
        Route("/uc", pages.download, methods=["GET"]),
        Route(f"{PREFIX}settings", _settings_endpoint(drive), methods=["GET", "POST", "DELETE"]),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    return Starlette(
        routes=routes,
        middleware=[Middleware(MethodOverride)],
        exception_handlers={DriveError: answer_error, 404: _no_such_path},
        lifespan=lifespan,
    )


def _endpoint(drive: Drive, handler: Handler) -> Endpoint:
    """The handler over HTTP: in a thread, in one transaction, for a caller who is known."""

    def answer(request: Request, body: bytes) -> Response:
        with drive.store.transaction() as db:
            identity = authenticate(db, request.headers.get("authorization"))
            result = handler(drive, db, call_of(request, identity, body))
        return result if isinstance(result, Response) else JSONResponse(result)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request, await small_body(request.stream()))

    return endpoint


def _settings_endpoint(drive: Drive) -> Endpoint:
    def answer(method: str, body: bytes) -> Response:
        try:
            if method == "POST":
                drive.switches.change(body)
            elif method == "DELETE":
                drive.switches.reset()
        except msgspec.DecodeError as error:
            return json_response({"detail": str(error)}, status=422)
        return json_response(drive.switches.now)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request.method, await small_body(request.stream()))

    return endpoint


async def _no_such_path(request: Request, error: Exception) -> Response:
    return JSONResponse(error_body(404, "notFound", "Not Found"), status_code=404)
