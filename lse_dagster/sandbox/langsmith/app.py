"""The LangSmith server put together: endpoints, API key, errors, test settings."""

import contextlib
import hmac
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lse_dagster.sandbox.control import PREFIX, Control, Limit, json_response
from lse_dagster.sandbox.environment import stored_secret, stored_uuid
from lse_dagster.sandbox.langsmith.backend import V1_PREFIXES, ApiError, Backend, error_response, routes
from lse_dagster.sandbox.langsmith.blobs import Presigner
from lse_dagster.sandbox.langsmith.projects import Projects
from lse_dagster.sandbox.langsmith.queries.endpoints import Queries
from lse_dagster.sandbox.langsmith.settings import SettingsHolder
from lse_dagster.sandbox.langsmith.store import Store
from lse_dagster.sandbox.langsmith.tracing.intake import Blobs, Feedback, Intake

LANGSMITH_LIMITS = (
    Limit(path=r"/v2/runs/query$", method="POST", calls=300, seconds=10),
    Limit(path=r"^(?!.*/v2/).*/runs/query$", method="POST", calls=10, seconds=10),
    Limit(path=r"/runs/stats$", method="POST", calls=1, seconds=10),
)
"""The documented limits of LangSmith Cloud (US, November 2026) per API key."""

_VERSION = "0.16.3"
_VERSION_WITHOUT_V2 = "0.12.0"
_OPEN_PATHS = re.compile(r"^/_|/info$")
_HOME = "langsmith"


def create_langsmith_app(directory: Path, control: Control) -> Starlette:
    """The server over the database in this directory. The control plane around it reads faults and limits."""
    home = directory / _HOME
    settings = SettingsHolder()
    control.clock = settings.now
    store = Store(home / "langsmith.sqlite")
    backend = Backend(
        store=store,
        settings=settings,
        presigner=Presigner(stored_secret(home / "signing_secret", ""), settings),
        tenant_id=stored_uuid(home / "tenant_id"),
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    return Starlette(
        routes=[
            *_about(backend),
            *Queries(backend).routes,
            *Intake(backend).routes,
            *Projects(backend).routes,
            *Feedback(backend).routes,
            *Blobs(backend).routes,
        ],
        middleware=[Middleware(_ApiKey, key=_api_key(directory))],
        exception_handlers={
            ApiError: _on_api_error,
            HTTPException: _on_http_error,
            msgspec.ValidationError: _on_invalid,
            ValueError: _on_bad_value,
        },
        lifespan=lifespan,
    )


def langsmith_environment(directory: Path, base_url: str) -> dict[str, str]:
    """What clients need to reach this server."""
    return {
        "LANGSMITH_API_KEY": _api_key(directory),
        "LANGSMITH_ENDPOINT": base_url,
        "LSE_PROJECTS": "my-project",
        "LSE_START_DATE": "2025-08-01",
        "LSE_LANGSMITH_RATES": "none",
        "LSE_SCHEDULES": "nightly",
    }


def _api_key(directory: Path) -> str:
    return stored_secret(directory / _HOME / "api_key", "lsv2_sandbox_")


def _about(backend: Backend) -> list[BaseRoute]:
    async def info(request: Request) -> Response:
        has_v2 = backend.settings.current.v2
        return json_response(
            {
                "version": _VERSION if has_v2 else _VERSION_WITHOUT_V2,
                "license_expiration_time": None,
                "batch_ingest_config": {
                    "use_multipart_endpoint": True,
                    "scale_up_qsize_trigger": 1000,
                    "scale_up_nthreads_limit": 16,
                    "scale_down_nempty_trigger": 4,
                    "size_limit": 100,
                    "size_limit_bytes": 20_971_520,
                },
                "instance_flags": {
                    "zstd_compression_enabled": True,
                    "ch_query_enabled": True,
                    "sdb_query_enabled": has_v2,
                },
            }
        )

    async def change_settings(request: Request) -> Response:
        if request.method == "DELETE":
            backend.settings.reset()
        elif request.method == "POST":
            changed = backend.settings.change(await request.body())
            with backend.store.transaction:
                backend.store.delete_runs(changed.delete_runs)
        return json_response(backend.settings.current)

    return [
        *routes(V1_PREFIXES, "/info", info, "GET"),
        Route(f"{PREFIX}settings", change_settings, methods=["GET", "POST", "DELETE"]),
    ]


class _ApiKey:
    """Lets requests with the right `x-api-key` through, and those that need none."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _OPEN_PATHS.search(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        given = request.headers.get("x-api-key")
        if given is None:
            await error_response(request, 401, "Invalid token: no x-api-key header")(scope, receive, send)
        elif not hmac.compare_digest(given.encode(), self._key.encode()):
            await error_response(request, 403, "Forbidden")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def _on_api_error(request: Request, error: Exception) -> Response:
    status, detail = error.args
    return error_response(request, status, detail)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return error_response(request, error.status_code, error.detail)


async def _on_invalid(request: Request, error: Exception) -> Response:
    return error_response(request, 422, str(error))


async def _on_bad_value(request: Request, error: Exception) -> Response:
    # Bad filters, cursors, times, ids, bodies: all of them say what is wrong.
    detail: Any = str(error) or type(error).__name__
    return error_response(request, 400, detail)
