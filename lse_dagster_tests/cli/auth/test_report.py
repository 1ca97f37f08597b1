"""What `lse auth` says in each situation, in this process: on the terminal, as JSON, as three lines."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lse_dagster.cli import main
from lse_dagster.drive.sign_in.loopback import listening
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.cli.test_lse import run
from lse_dagster_tests.drive.test_secrets import assert_clean

Auth = Callable[..., Result]


@pytest.fixture
def auth(
    sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Auth:
    """`lse auth ARGUMENTS` on the sandbox's accounts, with these variables changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOOGLE_DRIVE_IMPERSONATE", raising=False)

    def invoke(*arguments: str, **changes: str) -> Result:
        for name, value in {**sandbox.env, **changes}.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(main, ["auth", *arguments])

    return invoke


def three_lines(result: Result) -> dict[str, str]:
    """The error on stderr."""
    assert result.exit_code == 1
    lines = dict(line.split(":", 1) for line in result.stderr.splitlines()[-3:])
    assert list(lines) == ["Error", "Why", "Next"]
    return lines


def test_the_report_says_who_where_and_whether(auth: Auth, sandbox: Sandbox) -> None:
    result = auth("status")

    assert (result.exit_code, result.stderr) == (0, "")
    lines = dict(re.split(r"\s{2,}", line) for line in result.stdout.splitlines()[:-1])
    assert lines["Signed in as"].startswith("lse-archive@")
    assert lines["GOOGLE_DRIVE_CREDENTIALS_PATH"].endswith("service-account.json (0600)")
    assert lines["Folder"] == "LangSmith archives"
    assert lines["Link"] == sandbox.env["GOOGLE_DRIVE_FOLDER_URL"]
    assert lines["Is in"] == "the shared drive Sandbox drive"
    assert lines["May add files"] == "yes"
    assert "✓ Uploads will work." in result.stdout


def test_an_impersonated_person_and_their_free_space_are_named(auth: Auth, sandbox: Sandbox) -> None:
    result = auth(
        "status",
        GOOGLE_DRIVE_IMPERSONATE="archivist@example.com",
        GOOGLE_DRIVE_FOLDER_URL=sandbox.env["SANDBOX_MY_DRIVE_FOLDER_ID"],
    )

    assert result.exit_code == 0
    assert "Acts as " in result.stdout
    assert "Sandbox archivist <archivist@example.com>" in result.stdout
    assert " of 15.0 GB" in result.stdout


def test_json_is_one_document_in_good_and_bad_days(auth: Auth, drive_sandbox: ControlClient) -> None:
    good = auth("status", "--json")
    drive_sandbox.settings(service_account_role="reader")
    bad = auth("status", "--json")

    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert json.loads(good.stdout)["uploads_work"] is True
    assert json.loads(good.stdout)["files"][0]["mode"] == "0600"
    document: dict[str, Any] = json.loads(bad.stdout)
    assert document["uploads_work"] is False
    assert "Content manager" in document["problem"]["next"]
    assert document["problem"]["next_step"] == document["problem"]["next"]
    assert document["folder"]["drive_name"] == "Sandbox drive"
    assert bad.stderr == ""


def test_a_service_account_in_my_drive_is_told_of_shared_drives(auth: Auth, sandbox: Sandbox) -> None:
    result = auth("status", GOOGLE_DRIVE_FOLDER_URL=sandbox.env["SANDBOX_MY_DRIVE_FOLDER_ID"])

    assert "shared drive" in three_lines(result)["Next"]
    assert "none: a service account has no storage of its own" in result.stdout


def test_a_secret_file_that_others_can_read_is_a_warning(
    auth: Auth, sandbox: Sandbox, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_bytes(Path(sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"]).read_bytes())
    key.chmod(0o644)

    result = auth("status", GOOGLE_DRIVE_CREDENTIALS_PATH=str(key))

    assert result.exit_code == 0
    assert f"Warning: {key} can be read by others on this machine: chmod 600 {key}" in result.stderr


def test_a_revoked_token_leads_to_a_new_sign_in(
    auth: Auth, sandbox: Sandbox, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(refresh_token_revoked=True, expire_tokens=True)

    result = auth("status", "--debug", GOOGLE_DRIVE_AUTH_TYPE="oauth2")

    lines = three_lines(result)
    assert "7 days" in lines["Why"]
    assert "`lse auth login`" in lines["Next"]
    assert "Traceback" in result.stderr
    token = json.loads(Path(sandbox.env["GOOGLE_DRIVE_TOKEN_PATH"]).read_bytes())
    assert_clean(result.output, [token["refresh_token"], token["client_secret"]])


def test_nothing_configured_names_the_first_variable_to_set(tmp_path: Path, auth: Auth) -> None:
    result = auth("status", GOOGLE_DRIVE_CREDENTIALS_PATH="")

    assert "GOOGLE_DRIVE_CREDENTIALS_PATH is not set" in three_lines(result)["Why"]


def test_a_sign_in_that_would_not_be_used_is_refused(auth: Auth) -> None:
    result = auth("login")

    assert "GOOGLE_DRIVE_AUTH_TYPE is service_account" in three_lines(result)["Why"]


@pytest.fixture
def oauth(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        "GOOGLE_DRIVE_AUTH_TYPE": "oauth2",
        "GOOGLE_DRIVE_CREDENTIALS_PATH": str(sandbox.directory / "oauth-client.json"),
        "GOOGLE_DRIVE_TOKEN_PATH": str(tmp_path / "token.json"),
    }


def test_a_stored_token_is_not_replaced_unasked(auth: Auth, oauth: dict[str, str]) -> None:
    place = Path(oauth["GOOGLE_DRIVE_TOKEN_PATH"])
    place.write_text('{"refresh_token": "1//kept", "account": "me@example.com"}')
    before = place.read_text()

    result = auth("login", **oauth)

    lines = three_lines(result)
    assert "for me@example.com" in lines["Why"]
    assert "--force" in lines["Next"]
    assert place.read_text() == before


def test_a_port_in_use_and_nobody_in_time_leave_nothing(auth: Auth, oauth: dict[str, str]) -> None:
    with listening() as other:
        port = other.redirect_uri.rstrip("/").rpartition(":")[2]
        in_use = auth("login", "--no-browser", "--port", port, **oauth)
    too_late = auth("login", "--no-browser", "--timeout", "1", **oauth)

    assert "--port" in three_lines(in_use)["Next"]
    assert "No answer came within 1 seconds" in three_lines(too_late)["Why"]
    assert not Path(oauth["GOOGLE_DRIVE_TOKEN_PATH"]).exists()


def test_help_has_an_example_and_does_not_wait_for_google(tmp_path: Path) -> None:
    for arguments in (["auth"], ["auth", "login"], ["auth", "status"]):
        assert "Example: lse auth" in run(*arguments, "--help", folder=tmp_path).stdout

    script = (
        "import sys; from lse_dagster.cli import main; main(['auth', '--help'], standalone_mode=False);"
        "sys.exit(any(name.startswith(('google', 'requests', 'rich', 'dagster.')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False).returncode == 0
