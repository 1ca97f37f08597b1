"""What clients of the sandbox's Drive need: credential files as Google hands them out, and variables."""

import json
import sqlite3
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from lse_dagster.sandbox.drive.store import Store
from lse_dagster.sandbox.drive.world import DRIVE_SCOPE, SERVICE_ACCOUNT, known, prepare, remember

MY_DRIVE_FOLDER_ID: Final = "SANDBOX_MY_DRIVE_FOLDER_ID"
"""The variable with the folder in the user's My Drive that is shared with the service account."""
SHARED_DRIVE_ID: Final = "SANDBOX_SHARED_DRIVE_ID"
"""The variable with the shared drive's id."""


def drive_environment(directory: Path, base_url: str) -> dict[str, str]:
    """Write the credential files below the directory and return the variables that lead to them.

    Keys, secrets and ids stay the same for a directory; only the URLs follow the server.
    """
    base_url = base_url.rstrip("/")
    store = Store(directory)
    try:
        prepare(store)
        with store.transaction() as db:
            return _write(db, directory, base_url)
    finally:
        store.close()


def _write(db: sqlite3.Connection, directory: Path, base_url: str) -> dict[str, str]:
    service_account = directory / "service-account.json"
    token = directory / "oauth-token.json"
    key = _private_key(service_account)
    remember(db, "service_account_public_key", _public_pem(key))
    _write_secret(service_account, _service_account(db, key, base_url))
    _write_secret(token, _oauth_token(db, base_url))
    _write_secret(directory / "oauth-client.json", _oauth_client(db, base_url))
    return {
        "GOOGLE_DRIVE_FOLDER_URL": f"{base_url}/drive/folders/{known(db, 'archive_folder')}",
        "GOOGLE_DRIVE_AUTH_TYPE": "service_account",
        "GOOGLE_DRIVE_CREDENTIALS_PATH": str(service_account),
        "GOOGLE_DRIVE_TOKEN_PATH": str(token),
        "GOOGLE_DRIVE_ENDPOINT": base_url,
        "SANDBOX_DRIVE_TOKEN": known(db, "long_lived_token"),
        MY_DRIVE_FOLDER_ID: known(db, "my_drive_folder"),
        SHARED_DRIVE_ID: known(db, "shared_drive"),
    }


def _service_account(db: sqlite3.Connection, key: rsa.RSAPrivateKey, base_url: str) -> dict[str, Any]:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "project_id": "sandbox-drive",
        "private_key_id": f"{key.public_key().public_numbers().n:x}"[-40:],
        "private_key": pem,
        "client_email": SERVICE_ACCOUNT,
        "client_id": known(db, "service_account_client"),
        "auth_uri": f"{base_url}/o/oauth2/auth",
        "token_uri": f"{base_url}/token",
        "universe_domain": "googleapis.com",
    }


def _oauth_token(db: sqlite3.Connection, base_url: str) -> dict[str, Any]:
    return {
        "type": "authorized_user",
        "client_id": known(db, "client_id"),
        "client_secret": known(db, "client_secret"),
        "refresh_token": known(db, "refresh_token"),
        "token_uri": f"{base_url}/token",
        "scopes": [DRIVE_SCOPE],
        "universe_domain": "googleapis.com",
    }


def _oauth_client(db: sqlite3.Connection, base_url: str) -> dict[str, Any]:
    return {
        "installed": {
            "client_id": known(db, "client_id"),
            "project_id": "sandbox-drive",
            "auth_uri": f"{base_url}/o/oauth2/auth",
            "token_uri": f"{base_url}/token",
            "client_secret": known(db, "client_secret"),
            "redirect_uris": ["http://localhost"],
        }
    }


def _private_key(path: Path) -> rsa.RSAPrivateKey:
    """The key in the file of an earlier start, or a new one."""
    try:
        pem = json.loads(path.read_text(encoding="utf-8"))["private_key"]
        key = load_pem_private_key(pem.encode(), password=None)
    except (FileNotFoundError, ValueError, KeyError):
        # Short, as it guards nothing, and a long one takes a client ten times as long to read.
        key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path.name} holds a key that is not RSA")
    return key


def _public_pem(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _write_secret(path: Path, content: dict[str, Any]) -> None:
    # A clients' file: replaced in one step, so that one which reads it now sees the old or the new.
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.chmod(0o600)
    fresh.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)
