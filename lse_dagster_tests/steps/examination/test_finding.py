"""What a day's files say by themselves, and whether LangSmith still had all of it when it was asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import Unverified
from lse_dagster.day.whole import Asked
from lse_dagster.steps.examination.finding import (
    Finding,
    find_changed_files,
    find_forgotten_part,
    find_in_day,
    find_incomplete_traces,
)
from lse_dagster.steps.examination.reading import examine_day
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, stage

MORNING, EVENING = root(at("08:00:00")).raw(), root(at("20:00:00")).raw()
LONG_BEFORE = root(at("08:00:00")).child(at("09:00:00")).raw(dotted_order=f"20250501T080000000000Z{'0' * 36}")
RULE = Rule(retention_days=14)


@pytest.fixture
def store(tmp_path: Path) -> DayStore:
    return DayStore(tmp_path)


def fetched(store: DayStore, runs: list[bytes], moment: datetime) -> DayFolder:
    """A day of 2025-08-29 that was fetched at that moment."""
    return store.publish(stage(store, runs, fetched_at=moment), "always").day


def on_september(day: int, hour: int = 0) -> datetime:
    return datetime(2025, 9, day, hour, tzinfo=UTC)


@pytest.mark.parametrize("runs", [[], [EVENING], [MORNING, EVENING]])
def test_a_day_that_was_fetched_in_time_is_whole(store: DayStore, runs: list[bytes]) -> None:
    assert find_forgotten_part(fetched(store, runs, on_september(12)), RULE).verdict.passed


@pytest.mark.parametrize("runs", [[], [EVENING]])
def test_a_day_that_was_half_forgotten_is_told_with_the_hour(store: DayStore, runs: list[bytes]) -> None:
    verdict = find_forgotten_part(fetched(store, runs, on_september(12, 12)), RULE).verdict

    assert not verdict.passed
    assert "what started before 2025-08-29T12:00:00.000000Z" in verdict.why


def test_an_empty_day_that_was_forgotten_is_told(store: DayStore) -> None:
    verdict = find_forgotten_part(fetched(store, [], on_september(20)), RULE).verdict

    assert not verdict.passed
    assert "any of it" in verdict.why
    assert "LSE_RETENTION_DAYS" in verdict.why


@pytest.mark.parametrize("runs", [[MORNING], [LONG_BEFORE], [MORNING, LONG_BEFORE]])
def test_traces_that_are_older_than_the_retention_prove_nothing_of_others(
    store: DayStore, runs: list[bytes]
) -> None:
    verdict = find_forgotten_part(fetched(store, runs, on_september(12, 12)), RULE).verdict

    assert not verdict.passed
    assert verdict.why.startswith("Nothing proves the day whole")


@pytest.mark.parametrize(("hours", "passed"), [(0, True), (1, False)])
def test_a_fetch_that_ended_after_the_day_began_to_be_forgotten_proves_nothing_though_it_began_before(
    store: DayStore, hours: int, passed: bool
) -> None:
    day = fetched(store, [MORNING], on_september(11))
    asked = Asked.for_day(DAY, until=on_september(12, hours), retention_days=14)
    ended = DayFolder(day.path, msgspec.structs.replace(day.summary, asked=asked), day.summary_sha256)

    assert asked.proves_whole is passed
    assert find_forgotten_part(ended, RULE).verdict.passed is passed


def test_longer_retention_is_taken_from_the_settings(store: DayStore) -> None:
    assert find_forgotten_part(fetched(store, [], on_september(20)), Rule((2,), 400)).verdict.passed


def test_a_day_of_the_first_system_was_not_asked_for(store: DayStore) -> None:
    day = fetched(store, [], on_september(20))
    unverified = Unverified("first_system", "nobody counted", None)
    old = DayFolder(day.path, msgspec.structs.replace(day.summary, unverified=unverified), day.summary_sha256)

    assert find_forgotten_part(old, RULE).verdict.passed


def files(day: DayFolder) -> Finding:
    return find_changed_files(day, examine_day(day))


def traces(day: DayFolder) -> Finding:
    return find_incomplete_traces(examine_day(day).traces)


@pytest.mark.parametrize("look", [files, traces])
def test_a_day_that_is_published_anew_while_it_is_read_is_not_called_damaged(
    store: DayStore, look: Callable[[DayFolder], Finding]
) -> None:
    fetched(store, [MORNING], on_september(1))
    published: list[DayFolder] = []

    def read_while_it_is_published(day: DayFolder) -> Finding:
        if not published:
            published.append(fetched(store, [EVENING], on_september(2)))
        return look(day)

    found = find_in_day(lambda: store.load(PROJECT, DAY), read_while_it_is_published)

    assert published
    assert found.verdict.passed


@pytest.mark.parametrize("look", [files, traces])
@pytest.mark.parametrize("content", [b"", b"{}"])
def test_a_day_that_is_damaged_is_called_so(
    content: bytes, look: Callable[[DayFolder], Finding], store: DayStore
) -> None:
    day = fetched(store, [MORNING], on_september(1))
    (day.path / next(day.summary.trace_names())).write_bytes(content)

    verdict = find_in_day(lambda: store.load(PROJECT, DAY), look).verdict

    assert not verdict.passed
    assert "differs from its hash" in verdict.why
