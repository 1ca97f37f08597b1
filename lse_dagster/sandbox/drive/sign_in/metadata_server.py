"""The metadata server of a machine on Google Cloud, whose service account is the sandbox's.

As much as google-auth asks of it; GCE_METADATA_HOST and GCE_METADATA_IP lead clients here.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from lse_dagster.sandbox.drive.sign_in.oauth import TokenEndpoint
from lse_dagster.sandbox.drive.world import DRIVE_SCOPE, SCOPES, SERVICE_ACCOUNT

_FLAVOR = {"Metadata-Flavor": "Google"}


class MetadataServer:
    """GET / and below /computeMetadata/v1. Like the real one it answers only who says what they look for."""

    def __init__(self, tokens: TokenEndpoint) -> None:
        self._tokens = tokens

    async def answer(self, request: Request) -> Response:
        """Whatever the path asks for."""
        if request.headers.get("metadata-flavor") != "Google":
            return PlainTextResponse("Missing Metadata-Flavor:Google header.", status_code=403)
        # google-auth first asks for "default", then by the address that it has learnt.
        path = request.url.path.replace(f"/{SERVICE_ACCOUNT}/", "/default/")
        match path.removeprefix("/computeMetadata/v1"):
            case "/":
                return PlainTextResponse("computeMetadata/\n", headers=_FLAVOR)
            case "/project/project-id":
                return PlainTextResponse("sandbox-drive", headers=_FLAVOR)
            case "/instance/service-accounts/default/":
                account = {"aliases": ["default"], "email": SERVICE_ACCOUNT, "scopes": [DRIVE_SCOPE]}
                return JSONResponse(account, headers=_FLAVOR)
            case "/instance/service-accounts/default/token":
                asked = frozenset(request.query_params.get("scopes", DRIVE_SCOPE).split(","))
                token = await run_in_threadpool(self._tokens.for_machine, asked & SCOPES)
                return JSONResponse(token, headers=_FLAVOR)
        return PlainTextResponse("", status_code=404, headers=_FLAVOR)
