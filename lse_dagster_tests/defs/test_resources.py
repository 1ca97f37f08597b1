"""The resources sign in as the environment says."""

from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.cli.environment import connect_langsmith
from lse_dagster.cli.terminal.projects import choose_project
from lse_dagster.definitions import build_definitions
from lse_dagster.defs.project import archived_projects
from lse_dagster.defs.resources import DriveResource, LangSmithResource
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import CredentialsMissing, CredentialsRejected
from lse_dagster.errors import ArchiveError
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


def by_a_command(settings: Settings, name: str) -> None:
    if name == "LSE_PROJECTS":
        choose_project(settings, None)
    elif name == "LANGSMITH_API_KEY":
        connect_langsmith(settings)
    else:
        DriveArchive.connect(settings.drive)


def by_dagster(settings: Settings, name: str) -> None:
    resources = build_definitions(settings).resources or {}
    log = dg.get_dagster_logger()
    if name == "LSE_PROJECTS":
        archived_projects(settings.projects)[0].configured_name  # noqa: B018
    elif name == "LANGSMITH_API_KEY":
        resources["langsmith"].connect(log, patience_seconds=1.0)
    else:
        resources["drive"].connect(log)


@pytest.mark.parametrize("all_the_rest_is_missing", [False, True])
@pytest.mark.parametrize("auth_type", ["service_account", "oauth2"])
@pytest.mark.parametrize(
    "name",
    [
        "LSE_PROJECTS",
        "LANGSMITH_API_KEY",
        "GOOGLE_DRIVE_FOLDER_URL",
        "GOOGLE_DRIVE_CREDENTIALS_PATH",
        "GOOGLE_DRIVE_TOKEN_PATH",
    ],
)
def test_a_command_and_a_step_miss_a_variable_in_the_same_words(
    sandbox: Sandbox, tmp_path: Path, name: str, auth_type: str, all_the_rest_is_missing: bool
) -> None:
    token = tmp_path / "token.json"  # is written to
    token.write_text(Path(sandbox.env["GOOGLE_DRIVE_TOKEN_PATH"]).read_text())
    there = {} if all_the_rest_is_missing else {**sandbox.env, "GOOGLE_DRIVE_TOKEN_PATH": str(token)}
    settings = Settings.from_environment({**there, "GOOGLE_DRIVE_AUTH_TYPE": auth_type, name: ""})
    told: list[object] = []
    for road in (by_a_command, by_dagster):
        try:
            road(settings, name)
        except ArchiveError as error:
            told.append((type(error), error.what, error.why, error.next_step))
        else:
            told.append(None)

    assert told[0] == told[1]


def test_a_resource_keeps_all_that_a_client_has_to_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variables = {
        "LANGSMITH_API_KEY": "lsv2_key",
        "LANGSMITH_ENDPOINT": "https://langsmith.example",
        "LANGSMITH_WORKSPACE_ID": "a-workspace",
        "LSE_LANGSMITH_RATES": "eu",
        "LSE_ATTACHMENT_HOSTS": "minio,10.0.0.0/8",
        "GOOGLE_DRIVE_FOLDER_URL": "https://drive.google.com/drive/folders/0123456789abc",
        "GOOGLE_DRIVE_AUTH_TYPE": "oauth2",
        "GOOGLE_DRIVE_CREDENTIALS_PATH": "~/client.json",
        "GOOGLE_DRIVE_TOKEN_PATH": "token.json",
        "GOOGLE_DRIVE_IMPERSONATE": "jane@example.com",
        "GOOGLE_DRIVE_ENDPOINT": "https://drive.example",
        "LSE_ARCHIVES_DIR": str(tmp_path),
        "DAGSTER_HOME": "/dagster",
    }
    settings = Settings.from_environment(variables)
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_key")

    langsmith = LangSmithResource.of(settings.langsmith)
    drive = DriveResource.of(settings.drive).process_config_and_initialize()

    assert langsmith.process_config_and_initialize().settings == settings.langsmith
    assert drive.settings == settings.drive
    assert "lsv2_key" not in repr(langsmith)
    assert not {value for value in vars(settings.drive).values() if not value}
