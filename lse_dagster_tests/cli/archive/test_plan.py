"""What may be overwritten after which answer: nothing unasked, nothing lost by a yes, everything by force."""

import hashlib
import io
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lse_dagster.cli.archive.plan import LeftDay, Planned, Planner
from lse_dagster.cli.running.outcome import DayPlan
from lse_dagster.cli.terminal.errors import Declined
from lse_dagster.cli.terminal.questions import Questioner, WouldOverwrite
from lse_dagster.day.names import SUMMARY, day_zip_name
from lse_dagster.drive.file import DriveFile
from lse_dagster.settings import Settings
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, published_day

RUN = root(at("10:00:00")).raw()
DAYS = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]


class Desk:
    """One person at one command: what they type, and the folders they work in."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = Settings(data_dir=folder / "data", archives_dir=folder / "archives")
        self._monkeypatch = monkeypatch

    def planner(
        self, *typed: str, force: bool = False, terminal: bool = True, several: bool = False
    ) -> Planner:
        """Plans with the answers that will be typed."""
        self._monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in typed)))
        questioner = Questioner(force=force, can_ask=terminal, several=several)
        return Planner(self.settings, PROJECT, questioner, several=several)

    def unread(self) -> str:
        """Answers that nobody asked for."""
        return sys.stdin.read()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def copies(*days: date, content: bytes = b"other") -> dict[date, DriveFile]:
    """Zips on Drive with this content."""
    moment = datetime(2025, 9, 1, 3, 30, tzinfo=UTC)
    return {
        day: DriveFile(
            id="id",
            name=day_zip_name(PROJECT, day),
            size=len(content),
            md5=hashlib.md5(content).hexdigest(),
            sha256=None,
            web_view_link="https://drive.example/id",
            head_revision_id="r",
            created_time=moment,
            modified_time=moment,
            is_trashed=False,
        )
        for day in days
    }


def policies(plans: Sequence[Planned]) -> Mapping[date, tuple[str, ...]]:
    return {plan.day: tuple(plan.overwrite.values()) for plan in plans if isinstance(plan, DayPlan)}


def test_where_nothing_is_nothing_is_asked_and_nothing_may_be_overwritten(desk: Desk) -> None:
    planner = desk.planner(terminal=False)

    assert policies(planner.fetch([DAY])) == {DAY: ("never",)}
    assert policies(planner.upload([DAY], {})) == {DAY: ("never",)}
    assert policies(planner.restore([DAY], copies(DAY))) == {DAY: ("never",)}
    assert policies(planner.archive([DAY], {})) == {DAY: ("never", "superset", "never")}


def test_a_yes_allows_only_what_loses_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    published_day(desk.settings.data_dir, [RUN])

    assert policies(desk.planner("y").fetch([DAY])) == {DAY: ("superset",)}
    assert policies(desk.planner("yes").restore([DAY], copies(DAY))) == {DAY: ("superset",)}
    assert policies(desk.planner("Y").archive([DAY], copies(DAY))) == {DAY: ("superset",) * 3}
    # What was not there when they were asked is not covered by the yes.
    assert policies(desk.planner("y").archive([DAY], {})) == {DAY: ("superset", "superset", "never")}

    asked = capsys.readouterr().out
    assert f"1 runs in 1 traces lie in {desk.settings.data_dir / PROJECT / str(DAY)}, fetched 2025-" in asked
    assert f"{day_zip_name(PROJECT, DAY)} is on Drive, 0.0 kB, from 2025-09-01 03:30 UTC" in asked
    assert "A yes loses nothing" in asked


def test_force_asks_nothing_and_allows_everything(desk: Desk) -> None:
    published_day(desk.settings.data_dir, [RUN])
    planner = desk.planner(force=True, terminal=False)

    assert policies(planner.fetch([DAY])) == {DAY: ("always",)}
    assert policies(planner.zip([DAY])) == {DAY: ("always",)}
    assert policies(planner.upload([DAY], copies(DAY))) == {DAY: ("always",)}
    assert policies(planner.restore([DAY], copies(DAY))) == {DAY: ("always",)}
    assert policies(planner.archive([DAY], copies(DAY))) == {DAY: ("always",) * 3}


@pytest.mark.parametrize("answer", ["", "n", "No", "end of input"])
def test_a_no_does_nothing(answer: str, desk: Desk) -> None:
    published_day(desk.settings.data_dir, [RUN])
    typed = [] if answer == "end of input" else [answer]

    with pytest.raises(Declined, match=str(DAY)):
        desk.planner(*typed).fetch([DAY])


def test_without_a_terminal_a_range_leaves_what_it_would_replace_and_does_the_rest(desk: Desk) -> None:
    published_day(desk.settings.data_dir, [RUN])

    left, planned = desk.planner(terminal=False, several=True).restore([DAY, DAYS[1]], copies(*DAYS))

    assert isinstance(left, LeftDay)
    assert (left.day, left.reason, left.error is None) == (DAY, "there", False)
    assert policies([planned]) == {DAYS[1]: ("never",)}


def test_without_a_terminal_it_refuses_says_what_is_there_and_names_force(desk: Desk) -> None:
    published_day(desk.settings.data_dir, [RUN])

    with pytest.raises(WouldOverwrite) as caught:
        desk.planner(terminal=False).fetch([DAY])

    assert "1 runs in 1 traces" in caught.value.why
    assert "--force" in caught.value.next_step


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (["y", "n", "y"], [1]),
        (["all"], []),
        (["n", "a"], [0]),
        (["y", "none"], [1, 2]),
        (["what?", "y", "o"], [1, 2]),
    ],
)
def test_in_a_range_each_day_is_asked_until_all_or_none(
    typed: list[str], kept: list[int], desk: Desk
) -> None:
    desk.settings.archives_dir.mkdir()
    for day in DAYS:
        (desk.settings.archives_dir / day_zip_name(PROJECT, day)).write_bytes(b"content")

    plans = desk.planner(*typed, several=True).upload(DAYS, copies(*DAYS))

    assert [plan.day for plan in plans if isinstance(plan, LeftDay)] == [DAYS[number] for number in kept]
    assert desk.unread() == ""


def test_none_keeps_what_is_there_and_still_does_what_is_not(desk: Desk) -> None:
    published_day(desk.settings.data_dir, [RUN])

    plans = desk.planner("none", several=True).restore([DAY, DAYS[1]], copies(*DAYS))

    assert policies(plans) == {DAYS[1]: ("never",)}


def test_all_and_none_are_no_answers_for_a_single_day(desk: Desk) -> None:
    planner = desk.planner("all", "none", "y")

    assert policies(planner.archive([DAY], copies(DAY))) == {DAY: ("never", "superset", "superset")}


def test_the_same_zip_on_drive_needs_no_question(desk: Desk) -> None:
    desk.settings.archives_dir.mkdir()
    zip_path = desk.settings.archives_dir / day_zip_name(PROJECT, DAY)
    zip_path.write_bytes(b"content")

    assert policies(desk.planner().upload([DAY], copies(DAY, content=b"content"))) == {DAY: ("never",)}
    assert policies(desk.planner("y").upload([DAY], copies(DAY, content=b"CONTENT"))) == {DAY: ("superset",)}


def test_a_local_day_that_cannot_be_read_is_no_question_and_nothing_of_it_is_given_up(desk: Desk) -> None:
    day = published_day(desk.settings.data_dir, [RUN])
    (day.path / SUMMARY).write_text("{")

    assert policies(desk.planner().fetch([DAY])) == {DAY: ("superset",)}
    assert policies(desk.planner().restore([DAY], copies(DAY))) == {DAY: ("superset",)}
    assert policies(desk.planner(force=True).fetch([DAY])) == {DAY: ("always",)}
