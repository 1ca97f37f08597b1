"""The control plane does to real connections what its rules say."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from dotenv import dotenv_values

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox, running_sandbox

_CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def info_url(sandbox: Sandbox, langsmith_sandbox: ControlClient) -> str:
    return f"{sandbox.langsmith_url}/info"


def test_a_response_is_dropped_after_the_promised_bytes(
    info_url: str, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/info$", drop_after=5)

    response = requests.get(info_url, stream=True, timeout=60)
    received = b""
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        for piece in response.iter_content(1):
            received += piece

    assert received == b'{"ver'
    assert requests.get(info_url, timeout=60).ok


def test_a_connection_is_dropped_before_any_byte_of_the_response(
    info_url: str, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/info$", drop_after=-1)

    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(info_url, timeout=60)

    (entry,) = langsmith_sandbox.requests()
    assert (entry.status, entry.bytes_out, entry.dropped) == (None, 0, True)


def test_a_request_is_dropped_while_it_is_being_sent(
    sandbox: Sandbox, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/runs/batch", drop_request_after=1000)
    key = {"x-api-key": sandbox.env["LANGSMITH_API_KEY"]}

    with pytest.raises(requests.exceptions.ConnectionError):
        requests.post(f"{sandbox.langsmith_url}/runs/batch", data=b"x" * 5_000_000, headers=key, timeout=60)

    (entry,) = langsmith_sandbox.requests()
    assert (entry.status, entry.bytes_in, entry.dropped) == (None, 1000, True)


def test_a_truncated_response_ends_cleanly(info_url: str, langsmith_sandbox: ControlClient) -> None:
    langsmith_sandbox.fault(path="/info$", truncate=7)

    response = requests.get(info_url, timeout=60)

    assert response.content == b'{"versi'
    assert response.headers["content-length"] == "7"


def test_a_corrupted_response_has_its_length_but_not_its_bytes(
    info_url: str, langsmith_sandbox: ControlClient
) -> None:
    good = requests.get(info_url, timeout=60).content
    langsmith_sandbox.fault(path="/info$", corrupt=True)

    corrupted = requests.get(info_url, timeout=60).content

    assert len(corrupted) == len(good)
    assert sum(a != b for a, b in zip(corrupted, good, strict=True)) == 1


def test_a_status_is_answered_with_headers_and_body_instead_of_asking_the_app(
    info_url: str, langsmith_sandbox: ControlClient
) -> None:
    html = {"content-type": "text/html", "Retry-After": "3"}
    langsmith_sandbox.fault(path="/info$", status=429, headers=html, body="<html>slow down</html>")

    response = requests.get(info_url, timeout=60)

    assert (response.status_code, response.text) == (429, "<html>slow down</html>")
    assert (response.headers["content-type"], response.headers["retry-after"]) == ("text/html", "3")


def test_a_rule_skips_and_then_fires_as_often_as_it_says(
    info_url: str, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(method="GET", path="/info$", status=503, skip=1, times=2)

    statuses = [requests.get(info_url, timeout=60).status_code for _ in range(4)]

    assert statuses == [200, 503, 503, 200]
    assert langsmith_sandbox.faults() == []


def test_a_rule_is_only_about_its_method_path_and_query(
    info_url: str, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(method="POST", path="/info", status=503)
    langsmith_sandbox.fault(path="/elsewhere", status=503)
    langsmith_sandbox.fault(path=r"/info\?which=2", status=502)

    assert requests.get(info_url, timeout=60).status_code == 200
    assert requests.get(info_url, params={"which": "2"}, timeout=60).status_code == 502
    assert len(langsmith_sandbox.faults()) == 2


def test_a_rule_with_an_unknown_field_is_refused(sandbox: Sandbox) -> None:
    response = requests.post(f"{sandbox.langsmith_url}/_control/faults", json={"drop": 1}, timeout=60)

    assert response.status_code == 422
    assert "drop" in response.json()["detail"]


@pytest.mark.parametrize(
    "host",
    ["rebound.example", "127.0.0.1.rebound.example", "10.0.0.1:80", "[::2]", "0.0.0.0"],
)
@pytest.mark.parametrize("path", ["/info", "/_control/faults", "/_control/settings", "/token"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(sandbox: Sandbox, host: str, path: str) -> None:
    urls = [f"{url}{path}" for url in (sandbox.langsmith_url, sandbox.drive_url)]

    answers = [requests.post(url, json={}, headers={"Host": host}, timeout=60) for url in urls]

    assert [answer.status_code for answer in answers] == [403, 403]


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "127.0.0.2:80", "[::1]:8911"])
def test_this_machine_is_answered_by_each_of_its_names(info_url: str, host: str) -> None:
    assert requests.get(info_url, headers={"Host": host}, timeout=60).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Content-Type": "text/plain"},
    ],
)
@pytest.mark.parametrize("endpoint", ["faults", "latency", "limits", "requests", "settings"])
def test_a_web_page_cannot_use_the_control_plane(
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
    headers: dict[str, str],
    endpoint: str,
) -> None:
    langsmith_sandbox.fault(path="/kept", status=503)
    drive_sandbox.fault(path="/kept", status=503)
    urls = [f"{url}/_control/{endpoint}" for url in (sandbox.langsmith_url, sandbox.drive_url)]
    methods = ("GET", "POST", "DELETE", "OPTIONS")

    answers = {
        requests.request(method, url, headers=headers, timeout=60) for method in methods for url in urls
    }

    assert {answer.status_code for answer in answers} == {403}
    assert len(langsmith_sandbox.faults()) == len(drive_sandbox.faults()) == 1


def test_the_control_plane_answers_its_own_origin(sandbox: Sandbox) -> None:
    headers = {"Origin": sandbox.langsmith_url, "Sec-Fetch-Site": "same-origin"}

    assert requests.get(f"{sandbox.langsmith_url}/_control/faults", headers=headers, timeout=60).ok


def test_delays_and_latency_slow_a_request_down(info_url: str, langsmith_sandbox: ControlClient) -> None:
    langsmith_sandbox.latency({"/info$": 0.05})
    langsmith_sandbox.fault(path="/info$", delay=0.05)

    begin = time.monotonic()
    requests.get(info_url, timeout=60)

    assert time.monotonic() - begin >= 0.1


def test_the_request_log_keeps_json_bodies_and_no_secrets(
    sandbox: Sandbox, langsmith_sandbox: ControlClient
) -> None:
    key = sandbox.env["LANGSMITH_API_KEY"]
    body = {"project_ids": ["b1ee3f6e-1c4f-4a53-8f0b-9c1f53f3f9b4"], "page_size": 7}

    requests.post(
        f"{sandbox.langsmith_url}/api/v2/runs/query?x=1", json=body, headers={"x-api-key": key}, timeout=5
    )

    (entry,) = langsmith_sandbox.requests()
    assert (entry.method, entry.path, entry.query, entry.status) == ("POST", "/api/v2/runs/query", "x=1", 200)
    assert entry.json == body
    assert entry.bytes_in == int(entry.headers["content-length"])
    assert key not in str(entry)


def test_rate_limits_answer_429_with_the_seconds_to_wait(
    sandbox: Sandbox, langsmith_sandbox: ControlClient
) -> None:
    key = {"x-api-key": sandbox.env["LANGSMITH_API_KEY"]}
    stats = f"{sandbox.langsmith_url}/api/v1/runs/stats"
    body = {"session": ["b1ee3f6e-1c4f-4a53-8f0b-9c1f53f3f9b4"]}
    unlimited = [requests.post(stats, json=body, headers=key, timeout=60).status_code for _ in range(3)]
    langsmith_sandbox.limits(enabled=True)

    first = requests.post(stats, json=body, headers=key, timeout=60)
    second = requests.post(stats, json=body, headers=key, timeout=60)

    assert unlimited == [200, 200, 200]
    assert first.status_code == 200
    assert second.status_code == 429
    assert 1 <= int(second.headers["retry-after"]) <= 10


def test_v1_queries_have_a_limit_of_their_own(sandbox: Sandbox, langsmith_sandbox: ControlClient) -> None:
    key = {"x-api-key": sandbox.env["LANGSMITH_API_KEY"]}
    body = {"session": ["b1ee3f6e-1c4f-4a53-8f0b-9c1f53f3f9b4"]}
    langsmith_sandbox.limits(enabled=True)

    def ask(path: str) -> list[int]:
        url = f"{sandbox.langsmith_url}{path}"
        return [requests.post(url, json=body, headers=key, timeout=60).status_code for _ in range(11)]

    assert ask("/api/v1/runs/query") == [200] * 10 + [429]
    assert 429 not in ask("/api/v2/runs/query")


def test_a_restarted_sandbox_has_the_same_keys_and_runs(tmp_path: Path) -> None:
    directory = tmp_path / "sandbox"
    with running_sandbox(directory) as first:
        key = {"x-api-key": first.env["LANGSMITH_API_KEY"]}
        project = requests.post(
            f"{first.langsmith_url}/sessions", json={"name": "kept"}, headers=key, timeout=5
        )

    with running_sandbox(directory) as second:
        found = requests.get(
            f"{second.langsmith_url}/sessions", params={"name": "kept"}, headers=key, timeout=5
        )

    assert second.env["LANGSMITH_API_KEY"] == first.env["LANGSMITH_API_KEY"]
    assert [session["id"] for session in found.json()] == [project.json()["id"]]


def test_the_variables_file_reads_the_same_in_a_shell_and_in_dotenv(sandbox: Sandbox) -> None:
    script = f". '{sandbox.env_file}'; printf '%s' \"$GOOGLE_DRIVE_CREDENTIALS_PATH|$LANGSMITH_ENDPOINT\""
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)

    assert shell.stdout == f"{sandbox.env['GOOGLE_DRIVE_CREDENTIALS_PATH']}|{sandbox.langsmith_url}"
    assert dotenv_values(sandbox.env_file) == sandbox.env
    assert sandbox.env_file.stat().st_mode & 0o777 == 0o600


def test_the_serve_command_says_when_it_is_ready_and_stops_cleanly(tmp_path: Path) -> None:
    run_lse = "from lse_dagster.cli import main; main()"
    command = [sys.executable, "-c", run_lse, "sandbox", "serve", "--dir", str(tmp_path / "box")]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_CHECKOUT) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        answers = requests.get(f"{ready['langsmith']}/info", timeout=60).ok
        env_file = dotenv_values(ready["env_file"])
        process.terminate()
        code = process.wait(timeout=60)

    assert answers
    assert (env_file["LANGSMITH_ENDPOINT"], env_file["GOOGLE_DRIVE_ENDPOINT"]) == (
        ready["langsmith"],
        ready["drive"],
    )
    assert code == 0
