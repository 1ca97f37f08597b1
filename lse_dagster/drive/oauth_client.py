"""The OAuth client of a "Desktop app": the JSON file that Google Cloud lets people download."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lse_dagster.drive.errors import CredentialsInvalid
from lse_dagster.drive.token_endpoint import expect_token_endpoint
from lse_dagster.drive.token_file import KEY_VARIABLE, KINDS, kind_of, read_secret_file

GET_CLIENT = (
    "in the Google Cloud console (Google Auth Platform > Clients) create a client of type Desktop app, "
    f"download its JSON, and set {KEY_VARIABLE} to it"
)
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  a public address
_GOOGLE_AUTH_URI = "https://accounts.google.com/o/oauth2/auth"


@dataclass(frozen=True)
class OAuthClient:
    """Which app asks, and where. The secret of a Desktop app is none to Google, but is kept as one here."""

    id: str
    secret: str = field(repr=False)
    auth_uri: str
    token_uri: str


def read_client(path: Path | None) -> OAuthClient:
    """The client in the file, of either type. Raises `CredentialsMissing` or `CredentialsInvalid`."""
    return _client(path, _described(path))


def read_desktop_client(path: Path | None, *, endpoint: str | None) -> OAuthClient:
    """The client in the file, if it may send its answers to this machine. Raises as `read_client`.

    `endpoint` is GOOGLE_DRIVE_ENDPOINT, whose host may give tokens, too.
    """
    file = _described(path)
    if "installed" not in file:
        raise CredentialsInvalid(
            f"Reading {KEY_VARIABLE}",
            f"{path} is an OAuth client of type Web application, which cannot sign in on this machine.",
            GET_CLIENT,
        )
    client = _client(path, file)
    expect_token_endpoint(client.token_uri, endpoint)
    return client


def _described(path: Path | None) -> Mapping[str, Any]:
    file = read_secret_file(path, variable=KEY_VARIABLE, next_step=GET_CLIENT)
    if (kind := kind_of(file)) != "client":
        raise CredentialsInvalid(
            f"Reading {KEY_VARIABLE}",
            f"{path} holds {KINDS.get(kind, 'something else')}, not an OAuth client.",
            GET_CLIENT,
        )
    return file


def _client(path: Path | None, file: Mapping[str, Any]) -> OAuthClient:
    described = file.get("installed") or file.get("web")
    values = described if isinstance(described, dict) else {}
    wanted = {
        "client_id": None,
        "client_secret": None,
        "auth_uri": _GOOGLE_AUTH_URI,
        "token_uri": GOOGLE_TOKEN_URI,
    }
    found = [values.get(name) or default for name, default in wanted.items()]
    if not all(isinstance(value, str) for value in found):
        raise CredentialsInvalid(
            f"Reading {KEY_VARIABLE}", f"{path} is not a complete OAuth client.", GET_CLIENT
        )
    return OAuthClient(*map(str, found))
