"""Every client tells a request without an answer in the words of a person, not in those of its library."""

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from lse_dagster.cli import main
from lse_dagster.cli.health.remote import facts_of_webserver
from lse_dagster.defs.alerts.webhook import DeadMansSwitch
from lse_dagster.errors import ArchiveError
from lse_dagster.net.faults import fault_words
from lse_dagster.net.session import Session
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.langsmith.odd_server import Question, running_odd_server
from lse_dagster_tests.net.clients import CLIENTS, Client, World

RAW = re.compile(
    r"0x[0-9a-f]{6}|HTTPS?Conn|ConnectionPool|Max retries|urllib3|requests\.|Errno|_ssl\.c|<[\w.]+ object"
    r"|\w+(Error|Exception)\b|Timeout\b|RemoteDisconnected|IncompleteRead"
)
"""What only a developer would want to read."""


@contextmanager
def refused_port() -> Iterator[str]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it meanwhile
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def unknown_host() -> Iterator[str]:
    yield "http://no-such-host.invalid:9"


@contextmanager
def served(script: Callable[[Question], None]) -> Iterator[str]:
    with running_odd_server() as server:
        server.script = script
        yield server.url


@contextmanager
def resetting() -> Iterator[str]:
    """Takes every request, and breaks its connection off without the ceremony of TCP."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # the end
                while True:
                    connection, _ = server.accept()
                    connection.recv(65536)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def hang_up(question: Question) -> None:
    question._handler.close_connection = True


def cut(question: Question) -> None:
    question.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    question._handler.close_connection = True


@contextmanager
def no_tls() -> Iterator[str]:
    with running_odd_server() as server:
        yield server.url.replace("http:", "https:")


FAULTS = {
    "a refused port": (refused_port, "connection refused"),
    "an unknown host": (unknown_host, "no address is known for the name|no name server answers"),
    "a reset": (resetting, "broken off|closed without"),
    "a hang-up": (lambda: served(hang_up), "closed without an answer"),
    "a body that is cut": (lambda: served(cut), "cut short"),
    "no https": (no_tls, "no https is spoken"),
    "no HTTP": (lambda: served(lambda question: question.raw(b"220 mail\r\n\r\n")), "no HTTP|broken off"),
}


def ping(world: World) -> None:
    DeadMansSwitch(f"{world.langsmith}/ping").ping()


def health(world: World) -> None:
    facts_of_webserver(world.langsmith)


PLACES = {
    **{name: one for name, one in CLIENTS.items() if not name.startswith(("Drive's media", "an upload's"))},
    "the dead man's switch": Client(ping, "langsmith", "GET", ""),
    "the webserver's health": Client(health, "langsmith", "POST", ""),
}


IN_HEADERS = {"a webhook", "the dead man's switch"}
"""They look at no body, so a body that is cut is none of their faults."""


@pytest.mark.parametrize(("fault", "said"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("name", PLACES)
def test_every_client_says_in_plain_words_what_happened(
    name: str, fault: Callable[[], AbstractContextManager[str]], said: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    if name in IN_HEADERS and said == "cut short":
        return
    with fault() as url, pytest.raises(ArchiveError) as raised:
        PLACES[name].call(World(url, url, tmp_path, sandbox.env))

    error = raised.value
    assert re.search(said, error.why, re.IGNORECASE)
    assert not RAW.search(f"{error.what}\n{error.why}\n{error.next_step}")
    assert error.why not in error.what
    assert error.__cause__ is None


def test_a_sandbox_that_does_not_run_is_told_in_three_lines() -> None:
    with refused_port() as url:
        variables = {"LANGSMITH_ENDPOINT": url, "LANGSMITH_API_KEY": "key"}
        finished = CliRunner().invoke(main, ["sandbox", "trace", "--date", "2025-08-29"], env=variables)

    assert finished.exit_code == 1
    assert [line.split()[0] for line in finished.stderr.splitlines()] == ["Error:", "Why:", "Next:"]
    assert not RAW.search(finished.stderr.replace("Error:", ""))


def test_no_answer_in_time_is_told_as_that() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Session() as session,
        pytest.raises(requests.RequestException) as raised,
    ):
        session.get(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)

    assert fault_words(raised.value) == "no answer came in time"


def test_a_proxy_that_refuses_is_told_as_the_proxy() -> None:
    with refused_port() as proxy, Session() as session:
        session.proxies["http"] = proxy
        with pytest.raises(requests.RequestException) as raised:
            session.get("http://example.invalid", timeout=5)

    assert fault_words(raised.value) == "connection refused, nothing listens there (the proxy)"
