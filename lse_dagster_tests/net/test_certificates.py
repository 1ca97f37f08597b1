"""One setting says whose certificates every client trusts; one that is not trusted is final and explained."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lse_dagster.errors import ArchiveError
from lse_dagster.net.certificates import VARIABLES
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.langsmith.odd_server import running_odd_server
from lse_dagster_tests.net.authority import Authority
from lse_dagster_tests.net.clients import CLIENTS, Client, World

EACH_CLIENT = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())

NOT_TRUSTED: dict[str, tuple[Callable[[Authority, Authority], ssl.SSLContext], str, str]] = {
    "of an unknown authority": (lambda known, other: other.server(), "CN=Elsewhere", "REQUESTS_CA_BUNDLE"),
    "signed by itself": (
        lambda known, other: known.server(self_signed=True),
        "CN=127.0.0.1",
        "REQUESTS_CA_BUNDLE",
    ),
    "expired": (lambda known, other: known.server(days=(-9, -3)), "expired", "clock"),
    "not yet valid": (lambda known, other: known.server(days=(3, 9)), "not yet valid", "clock"),
    "another host's": (lambda known, other: known.server(host="example.org"), "mismatch", "answers for"),
    "another address's": (lambda known, other: known.server(host="127.0.0.2"), "mismatch", "answers for"),
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def world_at(url: str, sandbox: Sandbox, folder: Path) -> World:
    return World(url, url, folder, sandbox.env)


@pytest.mark.parametrize("variable", VARIABLES)
@EACH_CLIENT
def test_one_variable_makes_every_client_trust_an_authority(
    client: Client,
    variable: str,
    authority: Authority,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running_odd_server(authority.server()) as server:
        monkeypatch.setenv(variable, str(authority.path))
        with suppress(ArchiveError):  # it answers 404
            client.call(world_at(server.url, sandbox, tmp_path))

        assert server.asked


@pytest.mark.parametrize(("context", "said", "advised"), NOT_TRUSTED.values(), ids=NOT_TRUSTED.keys())
@EACH_CLIENT
def test_a_certificate_that_is_not_trusted_is_final_at_once_and_explained(
    client: Client,
    context: Callable[[Authority, Authority], ssl.SSLContext],
    said: str,
    advised: str,
    authority: Authority,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with running_odd_server(context(authority, Authority(tmp_path, "Elsewhere"))) as server:
        with pytest.raises(ArchiveError) as raised:
            client.call(world_at(server.url, sandbox, tmp_path))

        told = f"{raised.value.why} {raised.value.next_step}"
        assert "certificate of 127.0.0.1, issued by" in told
        assert said in told
        assert advised in told
        assert f"SSL_CERT_FILE={authority.path}" in told
        assert server.asked == []
        assert server.connections == 2, "one to ask, one to see who signed"


@pytest.mark.parametrize("content", [None, b"no certificate"])
@EACH_CLIENT
def test_a_bundle_that_cannot_be_used_is_final_at_once_and_named(
    client: Client,
    content: bytes | None,
    authority: Authority,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with running_odd_server(authority.server()) as server:
        with pytest.raises(ArchiveError, match=f"REQUESTS_CA_BUNDLE={bundle} cannot be used"):
            client.call(world_at(server.url, sandbox, tmp_path))

        assert server.connections <= 1


def test_the_name_of_a_stranger_reaches_nobody_raw(sandbox: Sandbox, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "\x1b[2J\r\u202eevil" + "x" * 40)
    with running_odd_server(stranger.server()) as server, pytest.raises(ArchiveError) as raised:
        CLIENTS["LangSmith, a question"].call(world_at(server.url, sandbox, tmp_path))

    assert raised.value.why.isprintable()
    assert "evil" in raised.value.why
