"""The resources sign in as the environment says."""

import dagster as dg
import pytest

from lse_dagster.definitions import build_definitions
from lse_dagster.drive.errors import CredentialsRejected
from lse_dagster.resources import DriveResource
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
