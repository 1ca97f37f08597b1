"""When a step that failed is tried again, and how a project that LangSmith fails backs off: pure rules.

An attempt that fails holds a place in LangSmith's pool for minutes, and all projects share that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from lse_dagster.calendar.rules import Need, Rule

_QUICK_ATTEMPTS: Final = 4
_SHORTEST_PAUSE: Final = timedelta(minutes=10)
"""As often as the sensor looks."""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """A step that a day needs. `tried`: when it was asked for, in order; so far that came to nothing."""

    day: date
    need: Need
    tried: Sequence[datetime] = ()
    is_at_work: bool = False
    """Whether a run works on the day, or waits for its turn."""

    @property
    def asks_langsmith(self) -> bool:
        """Whether it is LangSmith that has to give something for it."""
        return self.need is not Need.UPLOAD

    @property
    def tried_at(self) -> datetime:
        """When it was tried last; long ago if never."""
        return self.tried[-1] if self.tried else _NEVER

    def opens(self, rule: Rule) -> datetime:
        """When its own pause is over."""
        if not self.tried:
            return _NEVER
        left = rule.expires(self.day) - self.tried_at if self.asks_langsmith else None
        return self.tried_at + pause_after(len(self.tried), left)


def pause_after(attempts: int, left: timedelta | None = None) -> timedelta:
    """How long to wait before a step is tried again. Four tries in a day; what failed then may be final.

    `left`: until LangSmith begins to forget the day, when the step was tried last. Never more than half of it
    passes without a try, so the last ones lie shortly before the end. None where LangSmith is not asked.
    """
    pause = timedelta(hours=6) if attempts < _QUICK_ATTEMPTS else timedelta(days=1)
    if left is None or left <= timedelta(0):
        return pause
    return min(pause, max(left / 2, _SHORTEST_PAUSE))


def steps_to_try(
    steps: Sequence[Step], rule: Rule, *, now: datetime, worked_at: datetime | None
) -> dict[date, Step]:
    """The steps of a project that are tried now: of each day the first whose pause is over.

    `worked_at`: when LangSmith gave the project a day last, or its count. If a step has failed since, one
    asks for all, and the next a pause later: a project must not try each of its days in vain.
    """
    asking = [step for step in steps if step.asks_langsmith]
    free = [step for step in steps if not step.is_at_work and step.opens(rule) <= now]
    if any(step.tried_at > (worked_at or _NEVER) for step in asking if not step.is_at_work):
        probe = _probe(asking, free, rule, now)
        free = [step for step in free if step is probe or not step.asks_langsmith]
    return {step.day: step for step in reversed(free)}


def _probe(asking: Sequence[Step], free: Sequence[Step], rule: Rule, now: datetime) -> Step | None:
    """The one that asks: the nearest to its end if that comes before two more turns, else who waited longest.

    So a last attempt lies shortly before the end, and a day that always fails keeps no other from its turn.
    """
    asked_at = max(step.tried_at for step in asking)

    def is_open(step: Step) -> bool:
        return now >= asked_at + pause_after(1, rule.expires(step.day) - asked_at)

    def turn(step: Step) -> tuple[datetime, date]:
        is_urgent = rule.expires(step.day) - now <= 2 * pause_after(1)
        return (_NEVER if is_urgent else step.tried_at), step.day

    return min((step for step in free if step.asks_langsmith and is_open(step)), key=turn, default=None)
