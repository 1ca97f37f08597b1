"""Every list that comes page by page, of every service, against every way in which one may never end."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import ListGoesInCircles
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.errors import QueryGoesInCircles
from lse_dagster.langsmith.feedback import fetch_feedback
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import V1Queries, V2Queries
from lse_dagster.langsmith.scope import started_in
from lse_dagster.langsmith.server import look_at_workspace
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.limiter import PUBLISHED_RATES, RateLimiters
from lse_dagster.net.page_trail import PageTrail
from lse_dagster.run.times import DayInterval
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.recount import count_again
from lse_dagster_tests.drive.conftest import put
from lse_dagster_tests.langsmith.odd_server import Question, running_odd_server
from lse_dagster_tests.steps.fetch.planned import DAY

NEVER_ENDING = ("same token", "two tokens", "empty", "same page")
MOST_REQUESTS = 110
SCOPE = started_in("p1", DayInterval.of(DAY))


@dataclass
class EndlessLangSmith:
    """Answers every list so that it never ends; knows nothing that only one of the lists would ask for."""

    kind: str
    turns: dict[str, int] = field(default_factory=dict)

    def __call__(self, question: Question) -> None:
        path = urlsplit(question.path).path
        if path.endswith("/info"):
            question.answer(200, b'{"version": "0.16.3"}')
        elif path.endswith("/runs/stats"):
            question.answer(200, b'{"run_count": 3}')
        elif path.endswith("/sessions") and "name" in parse_qs(urlsplit(question.path).query):
            question.answer(200, b'[{"id": "p1", "name": "p"}]')
        else:
            turn = self.turns[path] = self.turns.get(path, 0) + 1
            question.answer(200, json.dumps(self._page(path, turn)).encode())

    def _page(self, path: str, turn: int) -> Any:
        full = self.kind == "same page" or path.endswith(("/feedback", "/sessions"))
        offset = turn % 2 if self.kind == "two tokens" else 0
        items = [{"id": str(each), "name": str(each), "run_id": "r1"} for each in range(offset, offset + 100)]
        if path.endswith(("/feedback", "/sessions")):
            return items
        token = {"same token": "c", "two tokens": f"c{turn % 2}"}.get(self.kind, f"c{turn}")
        shown = [{"id": "x"}] if full else []
        return {"items": shown, "next_cursor": token, "runs": shown, "cursors": {"next": token}}


LANGSMITH_LISTS: dict[str, Callable[[Transport], object]] = {
    "ids, v2": lambda transport: list(V2Queries(transport).id_pages(SCOPE)),
    "ids, v1": lambda transport: list(V1Queries(transport).id_pages(SCOPE)),
    "runs by id, v2": lambda transport: list(V2Queries(transport).pages_by_id(SCOPE, ["x"], PageSize(50))),
    "runs by id, v1": lambda transport: list(V1Queries(transport).pages_by_id(SCOPE, ["x"], PageSize(50))),
    "outlines": lambda transport: count_again(transport, "p", DAY, now=SCOPE.latest, held=3, outlines=dict),
    "feedback": lambda transport: fetch_feedback(
        transport, "p1", [("r1", 1_000)], lambda records: None, lambda run_ids: {}
    ),
    "projects": look_at_workspace,
}


@pytest.mark.parametrize("kind", NEVER_ENDING)
@pytest.mark.parametrize("listing", LANGSMITH_LISTS)
def test_a_list_of_langsmith_that_never_ends_is_left(listing: str, kind: str) -> None:
    with running_odd_server() as odd:
        odd.script = EndlessLangSmith(kind)
        settings = LangSmithSettings("lsv2_key", endpoint=odd.url)
        limiters = RateLimiters(PUBLISHED_RATES["none"])
        with Transport(settings, limiters=limiters) as transport, pytest.raises(QueryGoesInCircles) as left:
            LANGSMITH_LISTS[listing](transport)

    assert_told(left.value)
    assert len(odd.asked) <= MOST_REQUESTS


def in_folder(drive: DriveArchive, folder: str, path: Path) -> None:
    put(drive, path, folder=folder, name="a.zip")


DRIVE_LISTS: dict[str, Callable[[DriveArchive, str, Path], object]] = {
    "looking for a file": lambda drive, folder, path: drive.find(folder, "a.zip"),
    "files": lambda drive, folder, path: list(drive.list(folder)),
    "an upload": in_folder,
}


@pytest.mark.parametrize("kind", NEVER_ENDING)
@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("listing", DRIVE_LISTS)
def test_a_list_of_drive_that_never_ends_is_left(
    sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path, listing: str, skip: int, kind: str
) -> None:
    folder, path = f"project-{uuid4()}", tmp_path / "a.zip"
    path.write_bytes(b"content")
    with DriveArchive.connect(drive_settings(sandbox)) as drive:
        made = put(drive, path, folder=folder, name="a.zip").file
        # The first list is of folders, the second of files: one whole answer lets the second be reached.
        if skip:
            page = {"files": [{"id": made.parents[0], "name": folder, "createdTime": "2026-01-01T00:00:00Z"}]}
            drive_sandbox.fault(method="GET", path=r"^/drive/v3/files$", status=200, body=page)
        drive_sandbox.settings(odd_pages=kind)

        with pytest.raises(ListGoesInCircles) as left:
            DRIVE_LISTS[listing](drive, folder, path)

    assert_told(left.value)
    lists = [request for request in drive_sandbox.requests() if request.path == "/drive/v3/files"]
    assert len(lists) <= MOST_REQUESTS


@pytest.mark.parametrize("kind", NEVER_ENDING)
def test_a_list_of_revisions_that_never_ends_is_left(
    sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path, kind: str
) -> None:
    folder, path = f"project-{uuid4()}", tmp_path / "a.zip"
    path.write_bytes(b"content")
    with DriveArchive.connect(drive_settings(sandbox)) as drive:
        put(drive, path, folder=folder, name="a.zip")
        path.write_bytes(b"other")

        def never_end(done: int, in_all: int) -> None:
            """Only what follows is odd: the lists before have come to their ends."""
            drive_sandbox.settings(odd_pages=kind)

        with pytest.raises(ListGoesInCircles) as left:
            put(drive, path, folder=folder, name="a.zip", on_progress=never_end)

    assert_told(left.value)
    assert any("/revisions" in request.path for request in drive_sandbox.requests())


def assert_told(error: ArchiveError) -> None:
    assert error.transient
    assert any(
        words in error.why for words in ("the same cursor", "empty pages", "the same page", "given before")
    )
    assert error.next_step


def drive_settings(sandbox: Sandbox) -> DriveSettings:
    return DriveSettings(
        folder_url=sandbox.env["GOOGLE_DRIVE_FOLDER_URL"],
        auth_type="service_account",
        credentials_path=Path(sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"]),
        endpoint=sandbox.env["GOOGLE_DRIVE_ENDPOINT"],
    )


class Circles(Exception):
    pass


@given(tokens=st.lists(st.text(min_size=1), min_size=1), period=st.integers(1, 20))
def test_any_cycle_is_left_after_one_round(tokens: list[str], period: int) -> None:
    trail, pages = PageTrail(Circles), 0

    with pytest.raises(Circles):
        while pages <= 101:
            trail.after(tokens[pages % min(period, len(tokens))], ())
            pages += 1

    assert pages <= min(period, len(tokens))


@given(pages=st.lists(st.lists(st.uuids().map(str), min_size=1, max_size=5), max_size=50))
def test_a_list_that_ends_is_followed_to_its_end(pages: list[list[str]]) -> None:
    trail = PageTrail(Circles)

    for number, page in enumerate(pages):
        empty = number % 3 == 0
        assert trail.after(f"token {number}", [] if empty else page) == f"token {number}"

    assert trail.after(None, ["last"]) is None
    assert trail.after("", ["last"]) is None
