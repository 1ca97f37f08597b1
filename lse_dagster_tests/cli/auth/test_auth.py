"""`lse auth login` as a person uses it: a browser here, a browser elsewhere, and every way to stop it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
import requests

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.environment import write_env_file
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.cli.test_lse import LSE
from lse_dagster_tests.drive.test_secrets import LOOKS_SECRET, assert_clean

SECONDS = 300
OLD = '{"refresh_token": "1//of-an-older-consent", "account": "me@example.com"}'


class Person:
    """Somebody in a folder with a `.env` for OAuth, and their terminal."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.folder = folder
        self.token_path = folder / "keys" / "token.json"
        self.client = json.loads((sandbox.directory / "oauth-client.json").read_bytes())["installed"]
        write_env_file(
            folder / ".env",
            {
                **sandbox.env,
                "GOOGLE_DRIVE_AUTH_TYPE": "oauth2",
                "GOOGLE_DRIVE_CREDENTIALS_PATH": str(sandbox.directory / "oauth-client.json"),
                "GOOGLE_DRIVE_TOKEN_PATH": "keys/token.json",
            },
        )
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Without a terminal, as in a script; a lax umask, as in a careless one."""
        return subprocess.Popen(
            [LSE, "auth", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            umask=0,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def on_terminal(self, *arguments: str) -> "pexpect.spawn[str]":
        return pexpect.spawn(
            LSE,
            ["auth", *arguments],
            cwd=str(self.folder),
            env=self.environment | {"TERM": "xterm"},
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(40, 100),
        )

    @property
    def token(self) -> dict[str, str]:
        stored: dict[str, str] = json.loads(self.token_path.read_bytes())
        return stored

    @property
    def kept_the_old_token(self) -> bool:
        """Whether the stored token is the one from before, and nothing else was written."""
        return [path.name for path in self.token_path.parent.iterdir()] == ["token.json"] and (
            self.token_path.read_text() == OLD
        )

    def assert_no_secret_in(self, text: str) -> None:
        assert_clean(text, [self.client["client_secret"]])
        if self.token_path.exists():
            names = {"refresh_token", "token", "client_secret"} & self.token.keys()
            assert not any(self.token[name] in text for name in names)


@pytest.fixture
def person(sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path) -> Person:
    return Person(sandbox, tmp_path)


@pytest.fixture
def waiting(person: Person) -> Iterator["subprocess.Popen[str]"]:
    """A sign-in without a terminal that waits for its answer, where a token is stored already."""
    person.token_path.parent.mkdir()
    person.token_path.write_text(OLD)
    process = person.start("login", "--no-browser", "--debug", "--force")
    yield process
    process.kill()
    process.communicate()


def printed_url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return next(line.strip() for line in process.stdout if line.startswith("http"))


def shown_url(terminal: "pexpect.spawn[str]") -> str:
    terminal.expect(r"http://127.0.0.1:\d+/o/oauth2/auth\S+(?=\s)")
    return str(terminal.after)


def where_it_ends(url: str) -> str:
    """The address at which a browser on another machine ends: one that does not open there."""
    return requests.get(url, allow_redirects=False, timeout=60).headers["Location"]


def test_a_browser_on_this_machine(person: Person, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(
        f"#!{sys.executable}\nimport sys, pathlib, requests\n"
        f"pathlib.Path('{tmp_path}/page.html').write_text(requests.get(sys.argv[1], timeout=60).text)\n"
    )
    browser.chmod(0o755)

    login = person.start("login", BROWSER=f"{browser} %s")
    shown, errors = login.communicate(timeout=SECONDS)

    assert login.returncode == 0, errors
    assert "Signed in as archivist@example.com" in shown
    assert "Go on in the terminal" in (tmp_path / "page.html").read_text()
    assert person.token["account"] == "archivist@example.com"
    assert {path.stat().st_mode & 0o777 for path in person.token_path.parent.iterdir()} == {0o600}
    person.assert_no_secret_in(shown + errors)

    status = person.start("status")
    shown, errors = status.communicate(timeout=SECONDS)

    assert (status.returncode, errors) == (0, "")
    assert "Uploads will work" in shown
    assert "\x1b" not in shown
    assert all(line == line.rstrip() for line in shown.splitlines())
    person.assert_no_secret_in(shown)


def test_a_browser_elsewhere_with_a_forwarded_port_replaces_the_token_by_force(
    person: Person, waiting: "subprocess.Popen[str]"
) -> None:
    requests.get(printed_url(waiting), timeout=60)

    shown, errors = waiting.communicate(timeout=SECONDS)

    assert waiting.returncode == 0, errors
    assert person.token["account"] == "archivist@example.com"
    person.assert_no_secret_in(shown + errors)


def test_a_browser_elsewhere_whose_last_address_is_pasted(person: Person) -> None:
    login = person.on_terminal("login", "--no-browser")
    answer = where_it_ends(shown_url(login))
    login.expect("press Enter")

    login.sendline("4/only-the-code")
    login.expect("That is not the address")
    login.sendline(f"  {answer}  ")

    login.expect("Signed in as archivist@example.com")
    login.expect(pexpect.EOF)
    login.close()
    assert login.exitstatus == 0
    first = person.token

    again = person.on_terminal("login", "--no-browser")
    again.expect("a token already, for archivist@example.com")
    again.expect(r"\[y/N\]")
    again.sendline("n")
    again.expect("Kept the token")
    again.expect(pexpect.EOF)
    again.close()
    assert again.exitstatus == 3
    assert person.token == first

    once_more = person.on_terminal("login", "--no-browser")
    once_more.expect(r"\[y/N\]")
    once_more.sendline("y")
    once_more.sendline(where_it_ends(shown_url(once_more)))
    once_more.expect("Signed in as")
    once_more.expect(pexpect.EOF)
    assert person.token["refresh_token"] != first["refresh_token"]


def test_ctrl_c_stops_it_and_leaves_nothing(person: Person) -> None:
    login = person.on_terminal("login", "--no-browser")
    login.expect("press Enter")

    login.sendintr()

    login.expect("Interrupted")
    login.expect(pexpect.EOF)
    login.close()
    assert login.exitstatus == 130
    assert list(person.token_path.parent.iterdir()) == []


def test_a_denied_consent_leaves_the_old_token(
    person: Person, waiting: "subprocess.Popen[str]", drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(consent="denied")
    requests.get(printed_url(waiting), timeout=60)

    shown, errors = waiting.communicate(timeout=SECONDS)

    assert waiting.returncode == 1
    assert [line.split(":")[0] for line in errors.splitlines()[-3:]] == ["Error", "Why", "Next"]
    assert "Access was denied on Google's consent screen" in errors
    assert person.kept_the_old_token
    person.assert_no_secret_in(shown + errors)


def test_a_forged_answer_does_not_end_the_sign_in(person: Person, waiting: "subprocess.Popen[str]") -> None:
    answer = where_it_ends(printed_url(waiting))
    listener = answer.partition("?")[0]
    strays = ("", "?error=access_denied", "?state=x&error=access_denied", "?state=x&code=4/forged")
    refused = {requests.get(listener + stray, timeout=60).status_code for stray in strays}
    requests.get(answer, timeout=60)

    shown, errors = waiting.communicate(timeout=SECONDS)

    assert (waiting.returncode, errors) == (0, "")
    assert refused == {404}
    assert person.token["account"] == "archivist@example.com"
    person.assert_no_secret_in(shown)


def test_a_drive_api_that_is_off_is_said_and_the_token_kept(
    person: Person, waiting: "subprocess.Popen[str]", drive_sandbox: ControlClient
) -> None:
    body = {"error": {"code": 403, "message": "off", "errors": [{"reason": "accessNotConfigured"}]}}
    drive_sandbox.fault(path="/about", status=403, body=body)
    requests.get(printed_url(waiting), timeout=60)

    shown, errors = waiting.communicate(timeout=SECONDS)

    assert waiting.returncode == 1
    assert "enable the Google Drive API" in errors
    assert "Stored the token" in shown
    assert person.token["refresh_token"]
    assert LOOKS_SECRET.search(shown + errors) is None


def test_a_machine_on_google_cloud_signs_in_as_its_service_account(
    sandbox: Sandbox, person: Person, drive_sandbox: ControlClient
) -> None:
    write_env_file(person.folder / ".env", {**sandbox.env, "GOOGLE_DRIVE_AUTH_TYPE": "adc"})
    host = sandbox.drive_url.removeprefix("http://")

    status = person.start("status", GCE_METADATA_HOST=host, GCE_METADATA_IP=host)
    shown, errors = status.communicate(timeout=SECONDS)

    assert (status.returncode, errors) == (0, "")
    assert "lse-archive@" in shown
    assert "Found in" in shown
    assert "/token" not in {request.path for request in drive_sandbox.requests()}  # no key was used


def test_nothing_to_sign_in_with_is_said_without_asking_the_network(person: Person) -> None:
    write_env_file(person.folder / ".env", {"GOOGLE_DRIVE_AUTH_TYPE": "adc"})

    status = person.start("status", NO_GCE_CHECK="true")
    _, errors = status.communicate(timeout=SECONDS)

    assert status.returncode == 1
    assert len(errors.splitlines()) == 3
    assert "default credentials" in errors
    assert "gcloud auth application-default login" in errors
