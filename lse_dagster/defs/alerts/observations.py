"""What is wrong at this moment, beside what the records say: the health of the whole, sensors that fail.

Each look finds all of it anew; what it no longer finds is over. The health is looked at by its own sensor,
which leaves here what it found: Dagster keeps of a tick only one error, as text.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import dagster as dg
import msgspec

from lse_dagster.day.whole import latest_date
from lse_dagster.defs.alerts.causes import cause_of, over
from lse_dagster.defs.alerts.ledger import Failure, Item, Ledger, Words
from lse_dagster.defs.dagster_internals import InstigatorTick, InstigatorType, TickStatus
from lse_dagster.errors import ArchiveError

_HEALTH: Final = "lse/health"
_OF_HEALTH, _OF_TICKS = "health:", "tick:"
_IS_CURRENT: Final = timedelta(hours=6)
"""If nobody looks any more, what was found then is neither wrong nor over."""
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
    problems = tuple(
        Problem(cause_of(one), one.what, one.why, one.next_step, getattr(one, "project", None))
        for one in found
    )
    health = msgspec.json.encode(Health(now, problems)).decode()
    instance.daemon_cursor_storage.set_cursor_values({_HEALTH: health})


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
    health = _kept_health(instance)
    problems = health.problems if health is not None else ()
    if health is not None and abs(now - health.looked_at) <= _IS_CURRENT:
        ledger = ledger.observed(_OF_HEALTH, list(_failures(ledger, health, now, link)), now)
    return ledger.observed(_OF_TICKS, list(_failing_ticks(instance, watchers, problems, now, link)), now)


def _kept_health(instance: dg.DagsterInstance) -> Health | None:
    kept = instance.daemon_cursor_storage.get_cursor_values({_HEALTH}).get(_HEALTH)
    try:
        return msgspec.json.decode(kept, type=Health) if kept is not None else None
    except (msgspec.MsgspecError, UnicodeError):
        return None  # the next look replaces it


def _failures(ledger: Ledger, health: Health, now: datetime, link: str | None) -> Iterator[Failure]:
    """The problems that nothing else explains: days are late because something fails for them, or did."""
    items = [item for cause in ledger.causes.values() for item in cause.items]
    failing, known = {item.project for item in items if item.day}, {item.subject for item in items}
    is_old = ledger.worked_at is not None and health.looked_at <= ledger.worked_at
    for problem in health.problems:
        subject = _OF_HEALTH + problem.what
        explained = problem.project is not None and (is_old or problem.project in failing)
        if explained and subject not in known:
            continue
        words = Words(problem.project, None, problem.what, problem.why, problem.next_step, link)
        item = Item(subject, problem.project, None, now + _LASTS)
        yield Failure(problem.cause, item, words, over(problem.cause))


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
    # Two: one may have begun only now. Asked for by their status, it raises (Dagster 1.13.27).
    last = instance.get_batch_ticks(list(running), limit=2) if running else {}
    for key, ticks in last.items():
        ended = (one for one in ticks if one.status is not TickStatus.STARTED)
        # One that is dated later than now was of a wrong clock, and would fail until that time has come.
        tick = next((one for one in ended if one.timestamp <= latest_date(now).timestamp()), None)
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
        name = tick.instigator_name
        yield Failure(
            f"ticks that fail by {error.cls_name}",
            Item(_OF_TICKS + name, None, None, now + _LASTS),
            Words(
                None,
                None,
                f"The {'sensor' if is_sensor else 'schedule'} `{name}` fails",
                error.message.strip(),
                f"Look at its ticks in the UI: Automation > {name}",
                link,
            ),
            f"`{name}` works again.",
        )


def _worked_lately(instance: dg.DagsterInstance, selector: str, failed: InstigatorTick) -> bool:
    """Whether a good tick lies not long before the failed one."""
    good = instance.get_ticks(failed.instigator_origin_id, selector, limit=1, statuses=[*_GOOD])
    return bool(good) and failed.timestamp - good[0].timestamp < _FAILS_FOR.total_seconds()
