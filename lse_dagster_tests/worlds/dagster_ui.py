"""The Dagster UI as a person starts it, for the browser test: `lse dev`, its GraphQL, its dialogs.

What the test promises stands in `test_ui.py`; how to start, ask, click and stop stands here.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import requests
from playwright.sync_api import Browser, Locator, Page, sync_playwright

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
_CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
_OURS = ("LSE_", "LANGSMITH_", "LANGCHAIN_", "GOOGLE_", "DAGSTER_")
_IN_THE_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$0" "$@"')
"""Starts a command as `&` in a script does: with SIGINT ignored. It must end on SIGTERM all the same."""

_COUNT_BLUE = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let blue = 0;
  for (let at = 0; at < data.length; at += 4) blue += data[at + 3] > 99 && data[at + 2] > data[at] + 50;
  return blue;
}"""

_PORTS = range(20_000, 32_768)
"""Below what Linux (32768) and macOS (49152) give away by themselves."""
_START_SECONDS = 300.0
_STOP_SECONDS = 120.0
_LOG_CHARACTERS = 4_000

Run = Mapping[str, Any]
Found = TypeVar("Found")


def wait_until(look: Callable[[], Found | None], what: str, *, seconds: float) -> Found:
    """What `look` finds as soon as it finds something; fails when the time is over."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {seconds:.0f} s: {what}")
        pause.wait(0.5)
    return found


@dataclass(frozen=True)
class DagsterUi:
    """A running UI: where it is, where its playground is, and what its GraphQL says."""

    url: str
    playground: Path

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL query."""
        with requests.Session() as session:
            session.trust_env = False  # loopback: no proxy of the environment may come between
            body = {"query": query, "variables": variables}
            answer = session.post(f"{self.url}/graphql", json=body, timeout=300).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def runs(self, job: str, days: Sequence[date]) -> dict[str, Run]:
        """The runs of a job by partition, as far as there are any for these days."""
        query = """query ($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs {
          results { runId status runConfigYaml tags { key value } } } } }"""
        found: dict[str, Run] = {}
        for run in self.ask(query, filter={"pipelineName": job})["runsOrError"]["results"]:
            partition = next(tag["value"] for tag in run["tags"] if tag["key"] == "dagster/partition")
            if partition in _keys(days):
                assert partition not in found, f"{job} ran twice for {partition}"
                found[partition] = run
        return found

    def wait_for_success(self, job: str, days: Sequence[date], *, seconds: float) -> list[Run]:
        """The one run of the job for each of the days, once all succeeded. A failed one fails at once."""

        def succeeded() -> list[Run] | None:
            runs = self.runs(job, days)
            for day, run in runs.items():
                assert run["status"] not in {"FAILURE", "CANCELED"}, f"{job} {day}: {self._why_failed(run)}"
            done = [run for run in runs.values() if run["status"] == "SUCCESS"]
            return done if len(done) == len(days) else None

        return wait_until(succeeded, f"{job} succeeds for {', '.join(_keys(days))}", seconds=seconds)

    def _why_failed(self, run: Run) -> str:
        query = """query ($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
          ... on ExecutionStepFailureEvent { stepKey error { message cause { message } } }
          ... on RunFailureEvent { message } } } } }"""
        events = self.ask(query, run=run["runId"])["logsForRun"]["events"]
        return "\n".join(str(event) for event in events if event) or str(run["status"])

    def check_results(self, run: Run) -> dict[str, bool]:
        """Every check that the run evaluated, by name, and whether it passed."""
        query = """query ($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
          ... on AssetCheckEvaluationEvent { evaluation { checkName success } } } } } }"""
        events = self.ask(query, run=run["runId"])["logsForRun"]["events"]
        evaluations = [event["evaluation"] for event in events if event]
        return {evaluation["checkName"]: evaluation["success"] for evaluation in evaluations}

    def latest_metadata(self, asset: str, day: date) -> dict[str, str | None]:
        """The metadata of a day's latest materialization, by label; values as far as they are texts."""
        query = """query ($asset: [String!]!, $partitions: [String!]) {
          assetOrError(assetKey: {path: $asset}) { ... on Asset {
            assetMaterializations(partitions: $partitions, limit: 1) {
              metadataEntries { label ... on TextMetadataEntry { text } } } } } }"""
        answer = self.ask(query, asset=[asset], partitions=_keys([day]))
        (latest,) = answer["assetOrError"]["assetMaterializations"]
        return {entry["label"]: entry.get("text") for entry in latest["metadataEntries"]}


@contextlib.contextmanager
def running_ui(folder: Path) -> Iterator[DagsterUi]:
    """`lse dev` on the `.env` in the folder, else on a fresh playground below it; it ends with the block.

    Not in the folder of the developer, whose own `.env` would lead the test to real accounts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    playground = folder if (folder / ".env").exists() else folder / "playground"
    port, log = free_port(), folder / "dev.log"
    command = ["dev", "--dir", "playground", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_IN_THE_BACKGROUND, Path(sys.executable).with_name("lse"), *command],
            cwd=folder,
            env=_foreign_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        ui = DagsterUi(f"http://127.0.0.1:{port}", playground)
        wait_until(lambda: _loaded(ui, process, log), "the UI answers", seconds=_START_SECONDS)
        yield ui
    finally:
        _stop(process)


def archive_in_terminal(ui: DagsterUi, days: Sequence[date]) -> None:
    """`lse archive` beside the running UI, on the same playground."""
    first, last = _keys(days)[0], _keys(days)[-1]
    subprocess.run(
        [Path(sys.executable).with_name("lse"), "archive", "--quiet", "--date", f"{first}..{last}"],
        cwd=ui.playground,
        env=_foreign_environment(),
        stdin=subprocess.DEVNULL,
        check=True,
    )


def _foreign_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


def _loaded(ui: DagsterUi, process: "subprocess.Popen[bytes]", log: Path) -> bool | None:
    """True once the code location is loaded. Fails if the process has ended or the location is broken."""
    tail = log.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARACTERS:]
    assert process.poll() is None, f"lse dev ended with {process.returncode}:\n{tail}"
    query = """{ workspaceOrError { ... on Workspace { locationEntries { loadStatus
      locationOrLoadError { ... on PythonError { message } } } } } }"""
    try:
        (location,) = ui.ask(query)["workspaceOrError"]["locationEntries"]
    except (requests.ConnectionError, requests.Timeout):
        return None
    if location["loadStatus"] != "LOADED":
        return None
    assert not location["locationOrLoadError"], location["locationOrLoadError"]["message"]
    return True


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask `lse dev` to end, as Ctrl+C does; if it does not, end it and its children, and fail."""
    # `lse dev` gives Dagster's processes a group of their own.
    groups = [process.pid, *_children(process.pid)]
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"lse dev did not end within {_STOP_SECONDS:.0f} s of SIGTERM") from None
    finally:
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        process.wait()


def _children(parent: int) -> list[int]:
    """The ids of a process's children where the system tells (Linux); else none."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []


def free_port() -> int:
    """A port of this machine on which nothing listens now.

    Not one of those that the system gives to whoever asks for any: a test in another process might get it
    before the server that it is for has started.
    """
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def find_chromium() -> str | None:
    """The system's Chromium or Chrome."""
    return next(filter(None, map(shutil.which, _CHROMIUM_NAMES)), None)


@contextlib.contextmanager
def running_browser(chromium: str) -> Iterator[Browser]:
    """A headless browser; nothing is downloaded."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_CHROMIUM_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def launch_from_dialog(page: Page, days: Sequence[date], *, expected_button: str) -> None:
    """In the open "Materialize…" dialog: choose the days, launch, and wait until the dialog is gone."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_role(
        "button", name="Show all partitions"
    ).click()  # the dialog begins with the last 90 days
    choose_days(dialog.get_by_placeholder(re.compile("^ex: ")), days)
    dialog.get_by_text(re.compile(f"^{len(days)} partitions?$")).wait_for()
    dialog.get_by_role("button", name=expected_button).click()
    dialog.wait_for(state="hidden")


def drawn_pixels(page: Page, number: str) -> int:
    """How much of a line is drawn in the plot of a number; only lines and points are blue."""
    canvas = page.locator(f"xpath=//*[text()='{number}']/ancestor::div[.//canvas][1]//canvas")
    canvas.scroll_into_view_if_needed()
    return int(canvas.evaluate(_COUNT_BLUE))


def choose_days(box: Locator, days: Sequence[date]) -> None:
    """Type a day or a range into one of Dagster's boxes for partitions."""
    first, last = _keys(days)[0], _keys(days)[-1]
    box.fill(first if first == last else f"[{first}...{last}]")
    box.press("Enter")
    box.press("Tab")


def _keys(days: Sequence[date]) -> list[str]:
    return [day.isoformat() for day in days]
