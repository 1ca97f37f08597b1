"""Errors in the shape of Google's APIs, and the ones that Drive answers with.

Messages and reasons are those of the real service as far as they are publicly known.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_STATUS_WORDS = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED"}


def error_body(
    code: int, reason: str, message: str, *, domain: str = "global", location: tuple[str, str] | None = None
) -> dict[str, Any]:
    """The JSON body of an error. `location` is (type, name), such as ("parameter", "q")."""
    detail = {"message": message, "domain": domain, "reason": reason}
    if location is not None:
        detail |= {"locationType": location[0], "location": location[1]}
    error: dict[str, Any] = {"code": code, "message": message, "errors": [detail]}
    if code in _STATUS_WORDS:
        error["status"] = _STATUS_WORDS[code]
    return {"error": error}


class DriveError(Exception):
    """A request that Drive refuses; the app turns it into the response."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        location: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.body = error_body(code, reason, message, domain=domain, location=location)
        self.headers = headers


class GrantError(Exception):
    """A refusal of the token endpoint, in OAuth's words."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}


async def answer_error(request: Request, error: Exception) -> Response:
    """The response for a `DriveError`, as a Starlette exception handler."""
    assert isinstance(error, DriveError)  # noqa: S101 - registered for this type only
    return JSONResponse(error.body, status_code=error.code, headers=error.headers)


def not_found(file_id: str) -> DriveError:
    """The file does not exist, or the caller may not know that it does."""
    return DriveError(404, "notFound", f"File not found: {file_id}.", location=("parameter", "fileId"))


def invalid(parameter: str, message: str = "Invalid Value") -> DriveError:
    """A parameter that cannot be understood."""
    return DriveError(400, "invalid", message, location=("parameter", parameter))


def bad_request(message: str) -> DriveError:
    """A request that makes no sense as a whole."""
    return DriveError(400, "badRequest", message)


def unauthenticated() -> DriveError:
    """The access token is missing, unknown, expired or revoked."""
    return DriveError(
        401,
        "authError",
        "Invalid Credentials",
        location=("header", "Authorization"),
        headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'},
    )


def forbidden(message: str = "The user does not have sufficient permissions for this file.") -> DriveError:
    """The caller sees the file but may not do this to it."""
    return DriveError(403, "insufficientFilePermissions", message)


def insufficient_scope() -> DriveError:
    """The token is good, but for less than this."""
    return DriveError(403, "insufficientPermissions", "Request had insufficient authentication scopes.")


def no_storage(*, service_account: bool) -> DriveError:
    """The owner-to-be has no room: a full quota, or a service account, which has none at all."""
    message = (
        "Service Accounts do not have storage quota. Leverage shared drives "
        "(https://developers.google.com/workspace/drive/api/guides/about-shareddrives), or use OAuth "
        "delegation (http://support.google.com/a/answer/7281227) instead."
        if service_account
        else "The user's Drive storage quota has been exceeded."
    )
    return DriveError(403, "storageQuotaExceeded", message, domain="usageLimits")


def id_in_use() -> DriveError:
    """A create with an id that a file already has."""
    return DriveError(
        409, "fileIdInUse", "A file already exists with the provided ID.", location=("other", "file.id")
    )
