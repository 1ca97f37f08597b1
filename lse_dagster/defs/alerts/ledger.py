"""What is wrong now, by its causes, what people were told of it, and what is to be told next. Pure values.

One cause is one message, whatever it holds up: days and projects are counted under it, told again once a day,
and once when it is over. All of it stays here until it was told, so a cursor that keeps this value loses
nothing; who is ended between a message and its cursor sends that one message twice.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

A_DAY: Final = timedelta(days=1)
_BETWEEN_DANGERS: Final = timedelta(minutes=10)
"""The runs that report the dangers of one look end one after the other; the first is told at once."""
_MOST_ENDED: Final = 5_000
"""Items. A cause that is never over must not fill the cursor."""
_TOGETHER: Final = 3
"""How many causes that begin, or end, at once are told one by one."""


class Words(msgspec.Struct, frozen=True):
    """What people are told of one failure. `day` is None of what is about no single one."""

    project: str | None
    day: str | None
    what: str
    why: str
    next_step: str
    link: str | None = None


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One thing that fails: a step or check of a day, a sensor, a part of the installation."""

    subject: str
    project: str | None
    day: str | None
    until: datetime
    """If nothing of its subject fails again until then it is no longer tried, or no longer looked at."""

    @property
    def is_check(self) -> bool:
        """Whether it is a check of a day: it is named by its asset, a colon and its name."""
        return self.day is not None and ":" in self.subject

    @property
    def key(self) -> tuple[str, str | None]:
        """What is the same when it fails again, and when it works."""
        return self.subject, self.day


class Failure(msgspec.Struct, frozen=True):
    """One thing failed. `over`: what is told when the cause is over."""

    cause: str
    item: Item
    words: Words
    over: str


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cause. With nothing in `items`, `mended` and `faded` it is only remembered for when it was told."""

    words: Words
    """Of the first failure until that was told, then of the last."""
    over: str
    since: datetime
    items: tuple[Item, ...] = ()
    mended: tuple[Item, ...] = ()
    faded: tuple[Item, ...] = ()
    has_news: bool = False
    """Whether something of it was not told yet."""
    is_told: bool = False
    """Whether people know that it is wrong: then they are told its end, too."""
    told_at: datetime | None = None
    """When they were told last that it is wrong."""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing of it is wrong, and all was told."""
        return not (self.items or self.mended or self.faded)

    def failing(self, failure: Failure, now: datetime) -> "Cause":
        """Something fails of it, again or for the first time."""
        fresh = replace(self, words=failure.words, since=now) if self.is_quiet else self
        key = failure.item.key
        others = tuple(item for item in fresh.items if item.key != key)
        return replace(
            fresh,
            words=failure.words if fresh.is_told else fresh.words,
            over=failure.over,
            items=(*others, failure.item),
            mended=tuple(item for item in fresh.mended if item.key != key),
            faded=tuple(item for item in fresh.faded if item.key != key),
            has_news=True,
        )

    def without(self, ended: Callable[[Item], bool], *, works: bool) -> "Cause":
        """Some of it works again, or is no longer tried."""
        found = tuple(item for item in self.items if ended(item))
        if not found:
            return self
        left = tuple(item for item in self.items if not ended(item))
        mended, faded = (found, ()) if works else ((), found)
        return replace(
            self,
            items=left,
            mended=(self.mended + mended)[-_MOST_ENDED:],
            faded=(self.faded + faded)[-_MOST_ENDED:],
            has_news=True,
        )

    def given_up(self, now: datetime) -> "Cause":
        """Nobody tries some of it any more. Of a project that fails one day is tried for all of them."""
        tried = {item.subject for item in self.items if now < item.until}
        return self.without(lambda item: item.subject not in tried, works=False)

    def told(self, now: datetime) -> "Cause":
        """People know all of it."""
        if self.items:
            return replace(self, has_news=False, is_told=True, told_at=now)
        at = self.told_at if self.is_told else now  # its end only, or all of it at once
        return replace(self, mended=(), faded=(), has_news=False, is_told=False, told_at=at)


Kind = Literal["danger", "begun", "ended", "digest"]


class Telling(msgspec.Struct, frozen=True):
    """One message that is due: dangers, or causes by their keys."""

    kind: Kind
    dangers: tuple[Words, ...] = ()
    causes: dict[str, Cause] = {}

    @property
    def key(self) -> str:
        """The same for the same message at another try."""
        return f"{self.kind} {next(iter(self.causes), '')}" if self.kind in ("begun", "ended") else self.kind


class Ledger(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is wrong, and what was told when."""

    causes: dict[str, Cause] = {}
    dangers: tuple[Words, ...] = ()
    """Not told yet."""
    dangers_told_at: datetime | None = None
    worked_at: datetime | None = None
    """When it was noticed last that something works again."""

    def failed(self, failure: Failure, now: datetime) -> "Ledger":
        """Something failed."""
        begun = Cause(failure.words, failure.over, now)
        cause = self.causes.get(failure.cause, begun).failing(failure, now)
        return replace(self, causes={**self.causes, failure.cause: cause})

    def worked(self, subjects: Iterable[str], day: str | None, now: datetime) -> "Ledger":
        """Some subjects work for a day, whatever they failed by."""
        keys = {(subject, day) for subject in subjects}
        ended = self._ended(lambda item: item.key in keys, works=True)
        return self if ended == self else replace(ended, worked_at=now)

    def endangered(self, *dangers: Words) -> "Ledger":
        """Days are about to be lost, or are."""
        return replace(self, dangers=(*self.dangers, *dangers))

    def observed(self, source: str, failures: Sequence[Failure], now: datetime) -> "Ledger":
        """All that fails now of one source, whose items have subjects that begin like this."""
        failing = {failure.item.key for failure in failures}
        found = self._ended(
            lambda item: item.subject.startswith(source) and item.key not in failing, works=True
        )
        for failure in failures:
            if not found._is_known(failure, now):
                found = found.failed(failure, now)
        return found

    def passed(self, now: datetime) -> "Ledger":
        """Time has passed: what was not tried again for long is given up; what is long over is forgotten."""
        kept = {key: cause.given_up(now) for key, cause in self.causes.items()}
        causes = {
            key: cause
            for key, cause in kept.items()
            if not (cause.is_quiet and is_past(cause.told_at, now, A_DAY))
        }
        return replace(self, causes=causes)

    def due(self, now: datetime) -> Telling | None:
        """The message to send next."""
        if self.dangers and is_past(self.dangers_told_at, now, _BETWEEN_DANGERS):
            return Telling("danger", dangers=self.dangers)
        begun = {
            key: cause
            for key, cause in self.causes.items()
            if cause.has_news and not cause.is_told and is_past(cause.told_at, now, A_DAY)
        }
        ended = {key: one for key, one in self.causes.items() if one.is_told and not one.items}
        for kind, causes in (("begun", begun), ("ended", ended)):
            if causes:
                together = causes if len(causes) > _TOGETHER else dict([next(iter(causes.items()))])
                return Telling(kind, causes=together)  # type: ignore[arg-type]
        # A digest tells all of them, so the next one is due a day later.
        if any(one.has_news and is_past(one.told_at, now, A_DAY) for one in self.causes.values()):
            wrong = {key: one for key, one in self.causes.items() if not one.is_quiet}
            return Telling("digest", causes=wrong)
        return None

    def told(self, telling: Telling, now: datetime) -> "Ledger":
        """The message was taken."""
        if telling.kind == "danger":
            return replace(self, dangers=(), dangers_told_at=now)
        told = {key: self.causes[key].told(now) for key in telling.causes}
        return replace(self, causes={**self.causes, **told})

    def _is_known(self, failure: Failure, now: datetime) -> bool:
        """Whether that is what was observed within the last day: only the next day it is news again."""
        cause = self.causes.get(failure.cause)
        return cause is not None and any(
            item.key == failure.item.key and failure.item.until - item.until < A_DAY for item in cause.items
        )

    def _ended(self, ended: Callable[[Item], bool], *, works: bool) -> "Ledger":
        causes = {key: cause.without(ended, works=works) for key, cause in self.causes.items()}
        return replace(self, causes=causes)


def is_past(since: datetime | None, now: datetime, pause: timedelta) -> bool:
    """Whether a pause is over. What lies in the future was told by a wrong clock."""
    return since is None or not timedelta(0) <= now - since < pause
