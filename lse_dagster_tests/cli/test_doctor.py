"""`lse doctor` on the sandbox: everything in order, and one thing after the other broken."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import msgspec
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType

from lse_dagster.cli.doctor.machine import check_retention
from lse_dagster.defs.alerts.endings import keep_endings
from lse_dagster.net.end_of_life import EndOfLife
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.settings import Settings
from lse_dagster_tests.cli.workplace import Workplace


def findings(workplace: Workplace) -> dict[str, dict[str, Any]]:
    """What the doctor found, by subject."""
    document = msgspec.json.decode(workplace.lse("doctor", "--json").stdout, type=dict[str, Any])
    return {finding["subject"]: finding for finding in document["findings"]}


def set_variable(workplace: Workplace, name: str, value: str) -> None:
    env = workplace.folder / ".env"
    env.write_text(env.read_text() + f"{name}='{value}'\n")


def test_a_sensor_that_somebody_switched_off_is_told_though_the_schedule_is_on(workplace: Workplace) -> None:
    set_variable(workplace, "LSE_SCHEDULES", "on")
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("lse_dagster"), "__repository__")
    origin = RemoteInstigatorOrigin(repository, "reconcile_sensor")
    stopped = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED)
    with workplace.instance() as instance:
        instance.add_instigator_state(stopped)

    found = findings(workplace)

    assert found["schedule"]["level"] == "ok"
    assert found["sensor"]["level"] == "warning"
    assert "reconcile_sensor is off" in found["sensor"]["text"]


def test_a_line_of_the_env_file_that_cannot_be_read_is_told(workplace: Workplace) -> None:
    env = workplace.folder / ".env"
    lines = env.read_text().count("\n")
    env.write_text(env.read_text() + 'LSE_DATA_DIR="/days\n')

    found = findings(workplace)

    assert found[".env"]["level"] == "problem"
    assert f"line {lines + 1}" in found[".env"]["text"]


def test_with_everything_in_order_nothing_is_in_the_way(workplace: Workplace) -> None:
    set_variable(workplace, "LSE_SCHEDULES", "on")

    finished = workplace.lse("doctor")
    quiet = workplace.lse("doctor", "--quiet")

    assert finished.returncode == 0, finished.stdout
    assert "✗" not in finished.stdout
    for subject in (
        ".env",
        "packages",
        "data directory",
        "certificates",
        "LangSmith server",
        "clock",
        "LangSmith key",
        f"project {workplace.project}",
        "Drive account",
        "Drive folder",
        "pools",
    ):
        assert f"✓ {subject} " in finished.stdout
    assert "✓ schedule " in finished.stdout
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert workplace.variables["LANGSMITH_API_KEY"] not in finished.stdout


def test_each_thing_that_is_wrong_has_its_line_and_hides_no_other(
    workplace: Workplace, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient
) -> None:
    set_variable(workplace, "LANGSMITH_API_KEY", "wrong")
    set_variable(workplace, "GOOGLE_DRIVE_CREDENTIALS_PATH", "/no/such/key.json")
    set_variable(workplace, "LSE_DATA_DIR", str(workplace.folder / ".env"))
    set_variable(workplace, "DAGSTER_HOME", "relative/home")
    (workplace.folder / ".env").chmod(0o644)

    found = findings(workplace)
    finished = workplace.lse("doctor", "--quiet")

    assert {subject: one["level"] for subject, one in found.items()} == {
        ".env": "warning",
        "settings": "ok",
        "packages": "ok",
        "data directory": "problem",
        "archives directory": "ok",
        "certificates": "ok",
        "LangSmith server": "ok",
        "clock": "ok",
        "LangSmith key": "problem",
        f"project {workplace.project}": "problem",
        "Drive uploads": "problem",
        "Dagster home": "problem",
    }
    assert found[".env"]["next"] == f"chmod 600 {workplace.folder / '.env'}"
    assert all(one["next"] for one in found.values() if one["level"] != "ok")
    assert finished.returncode == 1
    assert finished.stderr.count("Next:") == 5


def test_a_server_that_is_not_there_a_missing_project_and_a_viewers_folder_are_told_apart(
    workplace: Workplace, drive_sandbox: ControlClient
) -> None:
    set_variable(workplace, "LSE_PROJECTS", f"{workplace.project},missing")
    drive_sandbox.settings(service_account_role="reader")

    found = findings(workplace)
    set_variable(workplace, "LANGSMITH_ENDPOINT", "http://127.0.0.1:1")
    without_server = findings(workplace)

    assert found[f"project {workplace.project}"]["level"] == "ok"
    assert found["project missing"]["level"] == "problem"
    assert found["Drive uploads"]["level"] == "problem"
    assert "Content manager" in found["Drive uploads"]["next"]
    assert "may not be written" in found["Drive folder"]["text"]
    assert without_server["LangSmith server"]["level"] == "problem"
    assert without_server["Drive account"]["level"] == "ok"


@pytest.fixture
def server_of_another_time() -> Iterator[str]:
    """A server that says who it is, with the clock of 2024. The sandbox cannot: its clock is ours."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"version": "0.16.3"}')

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "Mon, 01 Jan 2024 00:00:00 GMT"

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_clock_that_does_not_agree_is_noticed(workplace: Workplace, server_of_another_time: str) -> None:
    set_variable(workplace, "LANGSMITH_ENDPOINT", server_of_another_time)

    found = findings(workplace)

    assert found["LangSmith server"]["level"] == "ok"
    assert found["clock"]["level"] == "problem"
    assert "ahead of LangSmith's" in found["clock"]["text"]


def test_an_old_server_is_said_to_have_the_v1_api(
    workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.settings(v2=False)

    assert findings(workplace)["LangSmith server"]["text"].endswith("0.12.0, API v1")


def test_a_schedule_that_was_switched_on_shows(workplace: Workplace) -> None:
    set_variable(workplace, "LSE_SCHEDULES", "off")
    off = findings(workplace)["schedule"]["level"]
    set_variable(workplace, "LSE_SCHEDULES", "on")
    on = findings(workplace)["schedule"]["level"]

    assert (off, on) == ("warning", "ok")


def test_each_value_that_cannot_be_read_is_named_and_hides_nothing_else(workplace: Workplace) -> None:
    set_variable(workplace, "LSE_START_DATE", "soon")
    set_variable(workplace, "LSE_RETENTION_DAYS", "two")

    finished = workplace.lse("doctor")

    assert finished.returncode == 1
    assert finished.stdout.count("✗ settings") == 2
    assert "LSE_START_DATE: It is not a calendar date" in finished.stdout
    assert "LSE_RETENTION_DAYS: 'two' is not a whole number" in finished.stdout
    assert "✓ LangSmith key" in finished.stdout
    assert finished.stdout.count("✗") == 2


def test_a_name_that_no_project_can_have_is_told_and_hides_no_other_project(workplace: Workplace) -> None:
    set_variable(workplace, "LSE_PROJECTS", f'["{workplace.project}", "x\\u0000y"]')

    found = findings(workplace)
    status = workplace.lse("status", "--json")
    archived = workplace.lse("archive", "fetch", "--date", "2025-08-29", "--project", "x\0y")

    assert found[f"project {workplace.project}"]["level"] == "ok"
    assert found["project 'x\\x00y'"]["text"] == "The name holds a NUL character."
    (problem,) = msgspec.json.decode(status.stdout)["problems"]
    assert problem["what"] == "Defining the project 'x\\x00y'"
    assert archived.returncode == 1
    assert "Next:  Correct LSE_PROJECTS" in archived.stderr


def test_a_closed_pool_is_told(workplace: Workplace) -> None:
    with workplace.instance() as instance:
        instance.event_log_storage.set_concurrency_slots("langsmith", 0)

    found = findings(workplace)["pools"]

    assert found["level"] == "warning"
    assert found["next"] == "dagster instance concurrency set langsmith 1"


def test_a_start_date_that_lies_ahead_is_told_for_nothing_would_run(workplace: Workplace) -> None:
    set_variable(workplace, "LSE_SCHEDULES", "on")
    set_variable(workplace, "LSE_START_DATE", "2999-08-01")

    finished = workplace.lse("doctor")

    assert finished.returncode == 1
    assert "✗ start date" in finished.stdout
    assert "It is 2999-08-01: until then no day is archived." in finished.stdout


@pytest.mark.parametrize(
    ("endpoint", "days", "is_told"),
    [
        ("https://eu.api.smith.langchain.com", "181", True),
        ("https://api.smith.langchain.com", "180", False),
        ("https://langsmith.example.com", "400", False),
    ],
)
def test_a_retention_that_langsmiths_cloud_does_not_have_is_told(
    endpoint: str, days: str, is_told: bool
) -> None:
    variables = {"LANGSMITH_ENDPOINT": endpoint, "LSE_RETENTION_DAYS": days}

    found = check_retention(Settings.from_environment(variables))

    assert [finding.level for finding in found] == (["warning"] if is_told else [])


def test_an_endpoint_that_langsmith_will_take_away_is_told(workplace: Workplace) -> None:
    gone_at = datetime(2027, 1, 31, tzinfo=UTC)
    with dg.DagsterInstance.from_config(str(workplace.folder / "home")) as instance:
        keep_endings(instance, [EndOfLife("POST /api/v1/runs/query", None, gone_at)])

    found = findings(workplace)["LangSmith's API"]

    assert found["level"] == "warning"
    assert found["text"] == "POST /api/v1/runs/query is deprecated, to be removed on 2027-01-31."
