"""What an archived day still needs, from what is known of it and what time it is: pure rules, no looking.

LangSmith takes runs late, patches them, and forgets them. So a day is fetched again when all late runs must
have arrived, and compared once more before LangSmith forgets it; each time at most one look.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Final, Literal

from lse_dagster.day.summary import SummaryHead
from lse_dagster.day.whole import begins_to_forget, latest_date
from lse_dagster.run.times import DayInterval, parse_time

EARLY_WARNING: Final = timedelta(days=2)
"""Before LangSmith forgets a day."""
_ARRIVES_FOR: Final = timedelta(hours=24)
"""How long after a day's end LangSmith still takes runs that started in it (documentation, November 2026)."""
_WATCHED_AFTER_EXPIRY: Final = timedelta(days=14)
"""For uploads that keep failing, and to tell of days that were lost while nobody looked."""


class Need(Enum):
    """One step that a day needs: `needs` says what is begun by itself, `days` what a person is advised to do.

    Their values are in the names of runs and in what `lse status --json` says.
    """

    ARCHIVE = "archive"
    """All of it: nothing is there."""
    FETCH = "fetch"
    """From LangSmith, anew; by itself also zipped and copied to Drive."""
    RESTORE = "restore"
    ZIP = "zip"
    UPLOAD = "upload"
    """To Drive; by itself zipped before."""
    VERIFY = "verify"
    COUNT = "count"
    """Compare it with LangSmith."""


@dataclass(frozen=True)
class Rule:
    """When LangSmith is asked about a day again, in days after it began, and when LangSmith forgets."""

    after_days: tuple[int, ...] = (2, 12)
    """Ascending, less than `retention_days`."""
    retention_days: int = 14

    def expires(self, day: date) -> datetime:
        """When LangSmith begins to forget the day: its first runs are as old as the retention."""
        return begins_to_forget(day, self.retention_days)

    def last_due(self, day: date, now: datetime) -> datetime | None:
        """The latest moment by now at which LangSmith was to be asked about the day again."""
        start = DayInterval.of(day).start
        passed = [due for days in self.after_days if (due := start + timedelta(days=days)) <= now]
        return passed[-1] if passed else None

    def last_look(self, day: date) -> datetime:
        """When LangSmith is to be asked last: what is unfinished then will hardly ever end."""
        return DayInterval.of(day).start + timedelta(days=self.after_days[-1])

    def watched_days(self, now: datetime, *, first: date, since: datetime | None = None) -> list[date]:
        """The days that may need something, the oldest first. `first` is where the archive begins.

        `since`: when somebody looked last; what was lost meanwhile is still to be told.
        """
        looked = min(now, since) if since is not None else now
        oldest = (looked - timedelta(days=self.retention_days) - _WATCHED_AFTER_EXPIRY).date()
        day, yesterday = max(first, oldest), (now - timedelta(days=1)).date()
        return [day + timedelta(days=number) for number in range((yesterday - day).days + 1)]


@dataclass(frozen=True)
class KnownDay:
    """What is known of a day that was fetched or restored. Times are aware."""

    fetched_at: datetime | None
    """When LangSmith was asked for its runs; None if that was not recorded."""
    pending_runs: int
    """Runs that were unfinished then."""
    is_sound: bool
    """Whether its blocking checks passed: only then may it be zipped as it is."""
    on_drive: bool
    """Whether exactly this content was copied to Drive."""
    compared_at: datetime | None = None
    """When it was last compared with LangSmith by a count."""
    lacks_runs: bool = False
    """Whether the last comparison, made after the fetch, found runs that it lacks."""
    has_changed: bool = False
    """Whether it found only runs that have ended otherwise or have other feedback by now."""
    missing_attachments: int = 0
    """Attachments and offloaded fields that could not be downloaded."""
    copy_is_unknown: bool = False
    """Whether Drive has a copy of which no record says what it holds; the next upload compares it."""

    @classmethod
    def of(cls, head: SummaryHead, *, on_drive: bool) -> "KnownDay":
        """What a summary says of a day."""
        return cls(
            fetched_at=parse_time(head.fetched_at),
            pending_runs=head.counts.pending_runs,
            is_sound=True,
            on_drive=on_drive,
            missing_attachments=len(head.missing_attachments),
        )

    @property
    def seen_at(self) -> datetime | None:
        """When LangSmith was last asked about the day."""
        return max(filter(None, (self.fetched_at, self.compared_at)), default=None)

    def as_of(self, now: datetime) -> "KnownDay":
        """Without what is dated later than now, by a wrong clock: it proves nothing."""
        latest = latest_date(now)
        fetched, compared = (at is None or at <= latest for at in (self.fetched_at, self.compared_at))
        return replace(
            self,
            fetched_at=self.fetched_at if fetched else None,
            compared_at=self.compared_at if compared else None,
            lacks_runs=self.lacks_runs or not fetched,
        )

    def was_early(self, day: date) -> bool:
        """Whether more of the day may have come since it was fetched: runs, their ends, feedback, files."""
        arrived = DayInterval.of(day).end + _ARRIVES_FOR
        too_soon = self.fetched_at is None or self.fetched_at < arrived
        return too_soon or bool(self.pending_runs or self.missing_attachments)


def needs(
    day: date, known: KnownDay | None, rule: Rule, *, now: datetime, missing_after: timedelta
) -> tuple[Need, ...]:
    """What the day needs now, each step by itself, in the order in which to try them.

    `missing_after`: how long after its end a day that is not there is missing.
    """
    return tuple(_needs(day, known, rule, now, missing_after))


def _needs(
    day: date, known: KnownDay | None, rule: Rule, now: datetime, missing_after: timedelta
) -> Iterator[Need]:
    forgotten = now >= rule.expires(day)
    if known is None:
        if not forgotten and now >= DayInterval.of(day).end + missing_after:
            yield Need.FETCH
        return
    known = known.as_of(now)
    due = not forgotten and is_due(day, known, rule, now)
    more = known.lacks_runs or known.has_changed or (due and known.was_early(day))
    fetch = more or not known.is_sound
    if fetch and not forgotten:
        yield Need.FETCH
    if not known.on_drive and (known.is_sound or forgotten):  # what cannot be had better must not be lost
        yield Need.UPLOAD
    if due and not fetch:
        yield Need.COUNT


def is_due(day: date, known: KnownDay, rule: Rule, now: datetime) -> bool:
    """Whether LangSmith was not asked about the day since it was last to be."""
    due, seen_at = rule.last_due(day, now), known.as_of(now).seen_at
    return due is not None and (seen_at is None or seen_at < due)


def is_settled(day: date, known: KnownDay | None, rule: Rule, now: datetime) -> bool:
    """Whether nothing more is to come: LangSmith was asked each time it was due, or has forgotten the day."""
    if now >= rule.expires(day):
        return True
    if known is None or now < rule.last_look(day):
        return False
    known = known.as_of(now)
    return not (is_due(day, known, rule, now) or known.lacks_runs or known.has_changed)


Danger = Literal["expires in two days", "expires in a day", "expired", "lacks attachments", "never compared"]


def dangers(day: date, known: KnownDay | None, rule: Rule, *, now: datetime) -> tuple[Danger, ...]:
    """How near a day is to being lost, or what of it may be: for a part of it, one warning is enough."""
    left, known = rule.expires(day) - now, known.as_of(now) if known is not None else None
    if left > EARLY_WARNING or (known is not None and known.copy_is_unknown):
        return ()
    if known is not None and known.on_drive and not known.lacks_runs:
        return tuple(_parts_in_danger(day, known, rule, forgotten=left <= timedelta(0)))
    if left <= timedelta(0):
        return ("expired",)
    return ("expires in a day",) if left <= EARLY_WARNING / 2 else ("expires in two days",)


def _parts_in_danger(day: date, known: KnownDay, rule: Rule, *, forgotten: bool) -> Iterator[Danger]:
    if known.missing_attachments:
        yield "lacks attachments"
    if forgotten and _was_never_compared(day, known, rule):
        yield "never compared"


def _was_never_compared(day: date, known: KnownDay, rule: Rule) -> bool:
    """Whether LangSmith was asked about the day only while more of it could come, as far as is known.

    A fetch after that is a comparison as well.
    """
    arrived = DayInterval.of(day).end + _ARRIVES_FOR
    return rule.last_look(day) >= arrived and known.seen_at is not None and known.seen_at < arrived
