"""Secret files with rubbish in single places: used as far as they are good, or refused with advice."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import CredentialsInvalid, DriveError
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Waits
from lse_dagster_tests.drive.sign_in.test_credentials import change

KEYS: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey] = {
    "an encrypted one": rsa.generate_private_key(65537, 2048),
    "elliptic": ec.generate_private_key(ec.SECP256R1()),
    "Edwards": ed25519.Ed25519PrivateKey.generate(),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_private_key_that_google_would_not_take_is_refused(
    settings: DriveSettings, drive_sandbox: ControlClient, tmp_path: Path, kind: str
) -> None:
    assert settings.credentials_path is not None
    is_encrypted = kind == "an encrypted one"
    pem = KEYS[kind].private_bytes(
        Encoding.PEM,
        PrivateFormat.PKCS8,
        BestAvailableEncryption(b"word") if is_encrypted else NoEncryption(),
    )
    path = tmp_path / "key.json"
    path.write_bytes(settings.credentials_path.read_bytes())
    change(path, private_key=pem.decode())

    with pytest.raises(CredentialsInvalid, match="not a complete service account's key") as caught:
        DriveArchive.connect(replace(settings, credentials_path=path))

    assert "PRIVATE KEY" not in str(caught.value)
    assert drive_sandbox.requests() == []


@pytest.mark.parametrize(
    "rubbish",
    [
        {"scopes": 5},
        {"scopes": True},
        {"quota_project_id": 5},
        {"quota_project_id": ["a"]},
        {"expiry": "0001-01-01T00:00:00+23:59"},
        {"expiry": "9999-12-31T23:59:59-23:59"},
        {"expiry": 5},
        {"account": {}},
        {"token": 5, "expiry": "2001-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_a_stored_token_with_rubbish_where_it_does_not_matter_is_used(
    oauth_settings: DriveSettings, token_path: Path, drive_sandbox: ControlClient, rubbish: dict[str, Any]
) -> None:
    change(token_path, **rubbish)

    with DriveArchive.connect(oauth_settings) as drive:
        assert drive.find("no folder", "no file") is None


@pytest.mark.parametrize("field", ["refresh_token", "client_id", "client_secret", "token_uri"])
@pytest.mark.parametrize("value", [5, ["a"], {"a": 1}, "\n", "http://[broken"], ids=str)
def test_a_stored_token_with_rubbish_where_it_matters_is_a_typed_error(
    oauth_settings: DriveSettings, token_path: Path, waits: Waits, field: str, value: object
) -> None:
    change(token_path, **{field: value})

    with pytest.raises(DriveError):
        DriveArchive.connect(oauth_settings, backoff=waits.backoff(tries=2))


@pytest.mark.parametrize("which", ["token_path", "credentials_path"])
def test_a_file_of_brackets_is_no_json_object(
    settings: DriveSettings, oauth_settings: DriveSettings, tmp_path: Path, which: str
) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    damaged = {
        "token_path": replace(oauth_settings, token_path=path),
        "credentials_path": replace(settings, credentials_path=path),
    }

    with pytest.raises(CredentialsInvalid, match="not a JSON object"):
        DriveArchive.connect(damaged[which])
