"""What is wrong at this moment, beside what the records say: the health of the whole, sensors that fail.

Each look finds all of it anew; what it no longer finds is over. The health is looked at by its own sensor,
which leaves here what it found: Dagster keeps of a tick only one error, as text. So does a look that sees
what the next one may not (a clock that was wrong for a minute, a folder that was taken over).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

import dagster as dg
import msgspec

from lse_dagster.day.whole import latest_date
from lse_dagster.defs.alerts.causes import cause_of, cause_of_class, over
from lse_dagster.defs.alerts.kept import keep, kept
from lse_dagster.defs.alerts.ledger import Failure, Item, Ledger, Words, is_past
from lse_dagster.defs.dagster_internals import InstigatorTick, InstigatorType, TickStatus
from lse_dagster.errors import ArchiveError

_HEALTH: Final = "lse/health"
_SEEN: Final = "lse/seen/"
_OF_HEALTH, _OF_TICKS = "health:", "tick:"
_IS_CURRENT: Final = timedelta(hours=6)
"""If nobody looks any more, what was found then is neither wrong nor over."""
_WAITS_FOR_A_LOOK: Final = timedelta(hours=1)
_FAILS_FOR: Final = timedelta(minutes=30)
"""A sensor may miss some ticks while its code server starts."""
_LASTS: Final = timedelta(days=3)
_GOOD: Final = (TickStatus.SUCCESS, TickStatus.SKIPPED)


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with the whole, or with the days of one project."""

    cause: str
    what: str
    why: str
    next_step: str
    project: str | None = None


class Health(msgspec.Struct, frozen=True):
    """What the last look found."""

    looked_at: datetime
    problems: tuple[Problem, ...] = ()


def keep_health(instance: dg.DagsterInstance, found: Sequence[ArchiveError], now: datetime) -> None:
    """Leave what a look found for who tells people. An error that has a `project` is of its days."""
    keep(instance, _HEALTH, Health(now, tuple(map(_problem, found))))


def keep_seen(instance: dg.DagsterInstance, sensor: str, error: ArchiveError, now: datetime) -> None:
    """Leave what a look of a sensor saw until it is told, and with it that it is over."""
    (key,), seen = _keys([sensor]), _problem(error)
    before = kept(instance, {key}, Health).get(key, Health(now)).problems
    keep(instance, key, Health(now, (*(one for one in before if one.what != seen.what), seen)))


def forget_seen(instance: dg.DagsterInstance, taken: Iterable[str]) -> None:
    """What `with_seen` has taken is told, or will be."""
    if nothing := dict.fromkeys(taken, ""):
        instance.daemon_cursor_storage.set_cursor_values(nothing)


def with_seen(
    ledger: Ledger, instance: dg.DagsterInstance, sensors: Iterable[str], now: datetime
) -> tuple[Ledger, list[str]]:
    """The ledger with what looks of these sensors saw, and what of it was taken.

    Not before the next look at the health, which says whether it is over; unless there is none in an hour.
    """
    keys = _keys(sensors)
    seen_by = kept(instance, {_HEALTH, *keys}, Health)
    health, taken = seen_by.pop(_HEALTH, None), []
    for key, seen in sorted(seen_by.items()):
        looked_at = health.looked_at if health is not None else None
        is_new = looked_at is None or looked_at <= seen.looked_at
        if is_new and not is_past(seen.looked_at, now, _WAITS_FOR_A_LOOK):
            continue
        taken.append(key)
        for problem in seen.problems:
            ledger = ledger.failed(_failure(problem, now, None), now)
    return ledger, taken


def with_observations(
    ledger: Ledger,
    instance: dg.DagsterInstance,
    watchers: Collection[str],
    now: datetime,
    *,
    ui: str | None = None,
) -> Ledger:
    """The ledger with what is wrong now. `watchers`: the names of the sensors and schedules at work."""
    link = f"{ui}/automation" if ui else None
    health = kept(instance, {_HEALTH}, Health).get(_HEALTH)
    problems = health.problems if health is not None else ()
    if health is not None and abs(now - health.looked_at) <= _IS_CURRENT:
        ledger = ledger.observed(_OF_HEALTH, list(_failures(ledger, health, now, link)), now)
    return ledger.observed(_OF_TICKS, list(_failing_ticks(instance, watchers, problems, now, link)), now)


def is_healthy(instance: dg.DagsterInstance, now: datetime) -> bool:
    """Whether the health was looked at lately, and nothing was wrong."""
    health = kept(instance, {_HEALTH}, Health).get(_HEALTH)
    return health is not None and not health.problems and abs(now - health.looked_at) <= _WAITS_FOR_A_LOOK


def _problem(error: ArchiveError) -> Problem:
    return Problem(cause_of(error), error.what, error.why, error.next_step, getattr(error, "project", None))


def _keys(sensors: Iterable[str]) -> set[str]:
    return {_SEEN + sensor for sensor in sensors}


def _failures(ledger: Ledger, health: Health, now: datetime, link: str | None) -> Iterator[Failure]:
    """The problems that nothing else explains: days are late because something fails for them, or did."""
    items = [item for cause in ledger.causes.values() for item in cause.items]
    # A check that failed once explains no day that is late weeks after.
    failing = {item.project for item in items if item.day and not item.is_check}
    known = {item.subject for item in items}
    is_old = ledger.worked_at is not None and health.looked_at <= ledger.worked_at
    for problem in health.problems:
        subject = _OF_HEALTH + problem.what
        explained = problem.project is not None and (is_old or problem.project in failing)
        if explained and subject not in known:
            continue
        yield _failure(problem, now, link)


def _failure(problem: Problem, now: datetime, link: str | None) -> Failure:
    words = Words(problem.project, None, problem.what, problem.why, problem.next_step, link)
    item = Item(_OF_HEALTH + problem.what, problem.project, None, now + _LASTS)
    return Failure(problem.cause, item, words, over(problem.cause))


def _failing_ticks(
    instance: dg.DagsterInstance,
    watchers: Collection[str],
    problems: Sequence[Problem],
    now: datetime,
    link: str | None,
) -> Iterator[Failure]:
    if instance.schedule_storage is None:
        return
    states = [one for one in instance.all_instigator_state() if one.instigator_name in watchers]
    running = {state.selector_id: state for state in states if state.is_running}
    # One may have begun only now, one be of a wrong clock. Asked for by status, it raises (Dagster 1.13.27).
    last = instance.get_batch_ticks(list(running), limit=3) if running else {}
    for key, ticks in last.items():
        ended = (one for one in ticks if one.status is not TickStatus.STARTED)
        # One that is dated later than now was of a wrong clock, and would fail until that time has come; then
        # its id tells that it is long over.
        dated = (one for one in ended if one.timestamp <= latest_date(now).timestamp())
        tick = max(dated, key=attrgetter("tick_id"), default=None)
        if tick is None or tick.status is not TickStatus.FAILURE:
            continue
        is_sensor = running[key].instigator_type is InstigatorType.SENSOR
        if is_sensor and _worked_lately(instance, key, tick):
            continue
        error = tick.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is None or any(problem.what in error.message for problem in problems):
            continue  # told as such
        name, (path, _, words) = tick.instigator_name, error.message.strip().partition(": ")
        cause = cause_of_class(path)
        yield Failure(
            cause or f"ticks that fail by {error.cls_name}",
            Item(_OF_TICKS + name, None, None, now + _LASTS),
            Words(
                None,
                None,
                f"The {'sensor' if is_sensor else 'schedule'} `{name}` fails",
                words if cause else error.message.strip(),
                f"Look at its ticks in the UI: Automation > {name}",
                link,
            ),
            over(cause) if cause else f"`{name}` works again.",
        )


def _worked_lately(instance: dg.DagsterInstance, selector: str, failed: InstigatorTick) -> bool:
    """Whether a good tick lies not long before the failed one."""
    good = instance.get_ticks(failed.instigator_origin_id, selector, limit=1, statuses=[*_GOOD])
    return bool(good) and failed.timestamp - good[0].timestamp < _FAILS_FOR.total_seconds()
