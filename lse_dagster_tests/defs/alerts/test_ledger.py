"""One cause is one message, then a digest a day, then its end; and nothing is ever left untold."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lse_dagster.defs.alerts.ledger import Failure, Item, Ledger, Telling, Words
from lse_dagster.defs.alerts.messages import message_of, places

BEGIN = datetime(2025, 8, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CAUSES = ("drive.NoStorage", "langsmith.ProjectNotFound of a")
STEPS = ("raw_runs", "drive_archive")
DAYS = ("2025-08-01", "2025-08-02", "2025-08-05")


def failure(cause: str, step: str, day: str, now: datetime, project: str = "a") -> Failure:
    words = Words(project, day, f"Doing {step}", f"{cause}.", "Mend it.", f"run of {day}")
    return Failure(cause, Item(step, project, day, now + timedelta(days=3)), words, "It works again.")


def danger(day: str, project: str = "a") -> Words:
    return Words(project, day, "The check failed", f"LangSmith deletes {day}.", "lse archive")


@dataclass
class Told:
    """A webhook and a cursor: what was taken, and what a tick that is killed goes on with."""

    ledger: Ledger = field(default_factory=Ledger)
    now: datetime = BEGIN
    taken: list[tuple[datetime, Telling]] = field(default_factory=list)

    def tick(self, takes: int = 5, *, killed: bool = False) -> None:
        """Send what is due, until the webhook takes no more; killed before the last is remembered."""
        ledger = msgspec.json.decode(msgspec.json.encode(self.ledger), type=Ledger).passed(self.now)
        while takes and (telling := ledger.due(self.now)) is not None:
            assert len(message_of(telling).text) < 10_000
            self.taken.append((self.now, telling))
            self.ledger, ledger = ledger, ledger.told(telling, self.now)
            takes -= 1
        if not killed:
            self.ledger = ledger

    def kinds(self) -> list[str]:
        return [telling.kind for _, telling in self.taken]


Move = Callable[[Told], None]


def moves(*, killed: st.SearchStrategy[bool]) -> st.SearchStrategy[Sequence[Move]]:
    def fails(cause: str, step: str, day: str) -> Move:
        return lambda told: setattr(
            told, "ledger", told.ledger.failed(failure(cause, step, day, told.now), told.now)
        )

    def works(step: str, day: str) -> Move:
        return lambda told: setattr(told, "ledger", told.ledger.worked([step], day, told.now))

    def endangers(day: str) -> Move:
        return lambda told: setattr(told, "ledger", told.ledger.endangered(danger(day)))

    def waits(hours: int) -> Move:
        return lambda told: setattr(told, "now", told.now + hours * HOUR)

    def ticks(takes: int, killed: bool) -> Move:
        return lambda told: told.tick(takes, killed=killed)

    step, day = st.sampled_from(STEPS), st.sampled_from(DAYS)
    some = st.one_of(
        st.builds(fails, st.sampled_from(CAUSES), step, day),
        st.builds(works, step, day),
        st.builds(endangers, day),
        st.builds(waits, st.integers(1, 40)),
        st.builds(ticks, st.integers(0, 3), killed),
    )
    return st.lists(some, max_size=40)


def of(told: Told, cause: str) -> Iterator[tuple[datetime, Telling]]:
    return ((at, telling) for at, telling in told.taken if cause in telling.causes)


def expect_few(told: Told) -> None:
    """No cause is told too often, whatever happens."""
    for cause in CAUSES:
        times = [at for at, _ in of(told, cause)]
        for begin in times:
            assert len([at for at in times if begin <= at < begin + timedelta(days=1)]) <= 4
    digests = [at for at, telling in told.taken if telling.kind == "digest"]
    assert all(later - at >= timedelta(days=1) for at, later in pairwise(digests))


@given(moves(killed=st.just(False)))
def test_no_cause_is_told_more_than_four_times_a_day(script: Sequence[Move]) -> None:
    told = Told()
    for move in script:
        move(told)
        told.tick()

    expect_few(told)


@example([(CAUSES[0], True, 1), (CAUSES[0], False, 1), (CAUSES[1], False, 1)] * 10)
@given(st.lists(st.tuples(st.sampled_from(CAUSES), st.booleans(), st.integers(0, 3)), max_size=60))
def test_what_fails_and_works_in_turns_is_not_told_each_time(turns: list[tuple[str, bool, int]]) -> None:
    told = Told()
    for cause, fails, hours in turns:
        told.now += hours * HOUR
        if fails:
            told.ledger = told.ledger.failed(failure(cause, cause, DAYS[0], told.now), told.now)
        else:
            told.ledger = told.ledger.worked([cause], DAYS[0], told.now)
        told.tick()

    expect_few(told)


@settings(max_examples=300)
@given(moves(killed=st.booleans()))
def test_every_failure_and_danger_is_told_and_every_end(script: Sequence[Move]) -> None:
    # given: failures, successes, dangers, a webhook that is down at times, and a daemon that is killed
    told, failed, dangers = Told(), defaultdict[str, list[datetime]](list), 0
    for move in script:
        before = told.ledger
        move(told)
        dangers += len(told.ledger.dangers) > len(before.dangers) and told.ledger.causes == before.causes
        for key, cause in told.ledger.causes.items():
            if len(cause.items) > len(before.causes[key].items if key in before.causes else ()):
                failed[key].append(told.now)

    # when: all goes well for some days
    for _ in range(24):
        told.now += 6 * HOUR
        told.tick()

    # then
    for key, moments in failed.items():
        assert max(at for at, _ in of(told, key)) >= max(moments)
        last = list(of(told, key))[-1][1]
        assert last.kind == "ended" or not last.causes[key].items
    assert sum(len(telling.dangers) for _, telling in told.taken) >= dangers
    assert (told.ledger.causes, told.ledger.dangers) == ({}, ())


@given(moves(killed=st.just(True)))
def test_who_is_killed_after_each_message_sends_it_again_and_forgets_none(script: Sequence[Move]) -> None:
    killed, spared = Told(), Told()
    for move in script:
        move(killed)
        move(spared)
        spared.tick(9)
        killed.tick(1, killed=True)
        killed.tick(9)

    assert killed.ledger == spared.ledger
    assert {(at, telling.key) for at, telling in killed.taken} >= {
        (at, telling.key) for at, telling in spared.taken
    }


def test_a_week_without_room_on_drive_is_one_message_a_day_and_its_end() -> None:
    told = Told()
    for number in range(7):
        day = f"2025-08-{number + 1:02}"
        for project in ("a", "b", "c"):
            one = failure("drive.NoStorage", f"{project}/drive_archive", day, told.now, project)
            told.ledger = told.ledger.failed(one, told.now)
        for _ in range(4):
            told.now += 6 * HOUR
            told.tick()
            for known in told.ledger.causes["drive.NoStorage"].items:  # each is tried again, and fails
                one = failure(
                    "drive.NoStorage", known.subject, known.day or "", told.now, known.project or ""
                )
                told.ledger = told.ledger.failed(one, told.now)
    for known in told.ledger.causes["drive.NoStorage"].items:
        told.ledger = told.ledger.worked([known.subject], known.day, told.now)
    told.tick()

    assert told.kinds() == ["begun", *["digest"] * 6, "ended"]
    assert message_of(told.taken[-1][1]).text.splitlines()[0] == (
        "LangSmith archive: It works again. 21 days of 3 projects caught up: a 2025-08-01 to 2025-08-07; "
        "b 2025-08-01 to 2025-08-07; c 2025-08-01 to 2025-08-07."
    )
    assert "Since 2025-08-01 00:00 UTC: Doing" in message_of(told.taken[1][1]).text


def test_what_failed_and_works_again_before_it_could_be_told_is_one_message() -> None:
    told = Told()
    told.ledger = told.ledger.failed(failure(CAUSES[0], "raw_runs", DAYS[0], told.now), told.now)
    told.ledger = told.ledger.worked(["raw_runs"], DAYS[0], told.now)

    told.tick()
    told.tick()

    (text,) = [message_of(telling).text for _, telling in told.taken]
    assert "Why: drive.NoStorage." in text
    assert "It works again. 1 day caught up: a 2025-08-01." in text


def test_many_causes_at_once_are_one_message_and_one_end() -> None:
    told = Told()
    for number in range(400):
        one = failure(f"cause {number}", f"step {number}", DAYS[0], told.now, f"project {number}")
        told.ledger = told.ledger.failed(one, told.now)
    told.tick()
    for number in range(400):
        told.ledger = told.ledger.worked([f"step {number}"], DAYS[0], told.now)
    told.tick()

    assert told.kinds() == ["begun", "ended"]
    assert message_of(told.taken[0][1]).text.startswith("LangSmith archive: 400 things fail\n")
    assert "And 390 more." in message_of(told.taken[0][1]).text


def test_the_dangers_of_one_look_are_one_message_and_come_first() -> None:
    told = Told()
    told.ledger = told.ledger.failed(failure(CAUSES[0], "raw_runs", DAYS[0], told.now), told.now)
    for number in range(1, 31):
        told.ledger = told.ledger.endangered(danger(f"2025-08-{number:02}"))

    told.tick()

    assert told.kinds() == ["danger", "begun"]
    text = message_of(told.taken[0][1]).text
    assert text.startswith(
        "LangSmith archive: 30 warnings: days are lost, or about to be\n- a, 2025-08-01: LangSmith"
    )
    assert "All: a 2025-08-01 to 2025-08-30." in text


def test_what_nobody_tries_any_more_ends_as_such() -> None:
    told = Told()
    told.ledger = told.ledger.failed(failure(CAUSES[0], "raw_runs", DAYS[0], told.now), told.now)
    told.tick()
    told.now += timedelta(days=4)
    told.tick()

    assert told.kinds() == ["begun", "ended"]
    text = message_of(told.taken[-1][1]).text
    assert text.startswith("LangSmith archive: No longer tried, or looked at: a 2025-08-01.\n")


def test_what_is_observed_without_end_is_news_once_a_day_and_ends_when_it_is_gone() -> None:
    told = Told()
    for _ in range(6 * 24 * 3):
        seen = failure("the disk", "health:the disk", "", told.now)
        told.ledger = told.ledger.observed("health:", [seen], told.now)
        told.tick()
        told.now += timedelta(minutes=10)
    told.ledger = told.ledger.observed("health:", [], told.now)
    told.tick()

    assert told.kinds() == ["begun", "digest", "digest", "ended"]


def test_a_clock_that_was_ahead_for_one_look_silences_nothing() -> None:
    told = Told(now=BEGIN + timedelta(days=400))
    told.ledger = told.ledger.failed(failure(CAUSES[0], "raw_runs", DAYS[0], told.now), told.now)
    told.tick()
    told.ledger = told.ledger.worked(["raw_runs"], DAYS[0], told.now)
    told.tick()
    told.now = BEGIN
    told.ledger = told.ledger.failed(failure(CAUSES[0], "raw_runs", DAYS[1], told.now), told.now)
    told.tick()

    assert told.kinds() == ["begun", "ended", "begun"]


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ([], ""),
        (["2025-08-31", "2025-09-01"], "a 2025-08-31 to 2025-09-01"),
        (["2025-08-01", "2025-08-03", "2025-08-02", "by hand"], "a 2025-08-01 to 2025-08-03, by hand"),
        ([f"2025-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 28, 2)], None),
    ],
)
def test_days_are_listed_as_ranges_and_not_without_end(days: list[str], text: str | None) -> None:
    listed = places([danger(day) for day in days])

    assert listed == text if text is not None else listed.endswith("2025-01-23; and 30 more")


def test_days_for_which_another_one_of_their_project_is_tried_are_not_given_up() -> None:
    told = Told()
    waiting, tried = DAYS[:2]
    told.ledger = told.ledger.failed(failure(CAUSES[0], "raw_runs", waiting, told.now), told.now)
    for _ in range(6):
        told.now += timedelta(days=1)
        told.ledger = told.ledger.failed(failure(CAUSES[0], "raw_runs", tried, told.now), told.now)
        told.tick()
    for day in (waiting, tried):
        told.ledger = told.ledger.worked(["raw_runs"], day, told.now)
    told.tick()

    assert told.kinds() == ["begun", *["digest"] * 5, "ended"]
    assert "2 days caught up: a 2025-08-01 to 2025-08-02" in message_of(told.taken[-1][1]).text
