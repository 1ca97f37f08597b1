"""No client sends a secret to another server than the one that it was meant for."""

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lse_dagster.errors import ArchiveError
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.langsmith.odd_server import OddServer, Question, running_odd_server
from lse_dagster_tests.net.clients import CLIENTS, RESOURCE_KEY, Client, World

SECRET_HEADERS = {"authorization", "x-api-key", "x-tenant-id", "x-goog-drive-resource-keys", "cookie"}


@pytest.fixture
def world(
    sandbox: Sandbox, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient, tmp_path: Path
) -> World:
    return World(sandbox.langsmith_url, sandbox.drive_url, tmp_path, sandbox.env)


@pytest.fixture
def elsewhere() -> Iterator[OddServer]:
    """Another server, which answers everybody with a token."""
    with running_odd_server() as server:
        answer = b'{"access_token": "theirs", "expires_in": 3600, "version": "0.16.3"}'
        server.script = lambda question: question.answer(200, answer)
        yield server


def all_sent(question: Question) -> str:
    return "\n".join([question.path, *map(str, question.headers.items()), question.body.decode()])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_a_redirect_to_another_server_gets_no_secret(
    client: Client, status: int, world: World, sandbox: Sandbox, elsewhere: OddServer
) -> None:
    control: ControlClient = getattr(sandbox, client.on)
    location = {"Location": f"{elsewhere.url}/stolen"}
    control.fault(method=client.method, path=client.path, status=status, headers=location)

    with suppress(ArchiveError):
        client.call(world)

    assert control.faults() == [], "the redirect was not met"
    assert len(elsewhere.asked) == client.follows
    for question in elsewhere.asked:
        assert not SECRET_HEADERS & {name.lower() for name in question.headers}
        assert "secret" not in all_sent(question)
        assert RESOURCE_KEY not in all_sent(question)
        assert question.body == b""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "client", [pytest.param(client, id=name) for name, client in CLIENTS.items() if not client.follows]
)
def test_what_a_redirect_leads_to_is_not_believed(
    client: Client, status: int, world: World, sandbox: Sandbox
) -> None:
    control: ControlClient = getattr(sandbox, client.on)
    location = {"Location": f"/redirected?{client.path}"}
    control.fault(method=client.method, path=client.path, status=status, headers=location, times=20)

    with pytest.raises(ArchiveError):
        client.call(world)

    assert not [entry for entry in control.requests() if entry.path.startswith("/redirected")]


def test_the_sdk_that_writes_the_demos_traces_sends_no_password_of_netrc(
    sandbox: Sandbox, langsmith_sandbox: ControlClient, tmp_path: Path, project: str
) -> None:
    (tmp_path / ".netrc").write_text("default login me password from-netrc\n")
    (tmp_path / ".netrc").chmod(0o600)
    lse = Path(sys.executable).with_name("lse")
    options = ["--dir", str(sandbox.directory), "--project", project, "--date", "2025-08-29", "--traces", "1"]

    subprocess.run([lse, "sandbox", "trace", *options], env={"HOME": str(tmp_path)}, check=True)

    sent = [header for entry in langsmith_sandbox.requests() for header in entry.secret_headers]
    assert set(sent) == {"x-api-key"}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_the_passwords_of_netrc_are_never_sent(
    client: Client, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password from-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with running_odd_server() as server, running_odd_server() as next_server:

        def answer(question: Question) -> None:
            if question.path == "/token":
                question.answer(200, b'{"access_token": "ours", "expires_in": 3600}')
            else:
                question.answer(307, headers={"Location": f"{next_server.url}/next"})

        server.script = answer
        with suppress(ArchiveError):
            client.call(World(server.url, server.url, tmp_path, world.env))

        assert server.asked
        for question in server.asked + next_server.asked:
            sent = all_sent(question)
            assert "from-netrc" not in sent
            assert base64.b64encode(b"me:from-netrc").decode() not in sent
