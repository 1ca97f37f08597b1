"""The resources sign in as the environment says."""

from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.definitions import build_definitions
from lse_dagster.defs.resources import DriveResource
from lse_dagster.drive.errors import CredentialsMissing, CredentialsRejected
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.settings import Settings


def drive_resource(sandbox: Sandbox, **changes: str) -> DriveResource:
    resources = build_definitions(Settings.from_environment({**sandbox.env, **changes})).resources or {}
    drive = resources["drive"]
    assert isinstance(drive, DriveResource)
    return drive


def test_the_drive_resource_acts_as_the_impersonated_person(
    sandbox: Sandbox, drive_sandbox: ControlClient
) -> None:
    drive = drive_resource(sandbox, GOOGLE_DRIVE_IMPERSONATE="stranger@example.com")

    with pytest.raises(CredentialsRejected, match=r"may not act as stranger@example\.com"):
        drive.connect(dg.get_dagster_logger())


def test_the_drive_resource_takes_default_credentials(
    sandbox: Sandbox, drive_sandbox: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"])

    with drive_resource(sandbox, GOOGLE_DRIVE_AUTH_TYPE="adc", GOOGLE_DRIVE_CREDENTIALS_PATH="").connect(
        dg.get_dagster_logger()
    ) as drive:
        assert drive.folder_link() == sandbox.env["GOOGLE_DRIVE_FOLDER_URL"]


def sign_ins(drive_sandbox: ControlClient) -> int:
    """How often a token was asked for."""
    return len([entry for entry in drive_sandbox.requests() if entry.path == "/token"])


def look(drive: DriveResource) -> None:
    with drive.connect(dg.get_dagster_logger()) as archive:
        archive.find("nothing", "nothing.zip")


def test_who_looks_at_drive_again_and_again_signs_in_once_for_each_key(
    sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path
) -> None:
    content = Path(sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"]).read_text()
    key = tmp_path / "key.json"
    key.write_text(content)
    drive = drive_resource(sandbox, GOOGLE_DRIVE_CREDENTIALS_PATH=str(key))

    for _ in range(3):
        look(drive)
    with_one_key = sign_ins(drive_sandbox)
    key.write_text(content + "\n")
    look(drive)

    assert (with_one_key, sign_ins(drive_sandbox)) == (1, 2)


def test_who_is_signed_in_and_whose_token_drive_takes_no_more_signs_in_again(
    sandbox: Sandbox, drive_sandbox: ControlClient
) -> None:
    drive = drive_resource(sandbox)
    look(drive)
    before = sign_ins(drive_sandbox)
    drive_sandbox.settings(expire_tokens=True)

    look(drive)

    assert sign_ins(drive_sandbox) == before + 1


def test_who_was_signed_in_is_told_that_the_key_is_gone(sandbox: Sandbox, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text(Path(sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"]).read_text())
    drive = drive_resource(sandbox, GOOGLE_DRIVE_CREDENTIALS_PATH=str(key))
    look(drive)
    key.unlink()

    with pytest.raises(CredentialsMissing, match="There is no file"):
        look(drive)
