"""The days of a project as a calendar: what each place knows of a day, joined, and what is to be done.

Pure values. Who looks at the disk, Drive, LangSmith and Dagster hands the findings in; a place that nobody
looked at is None and never makes a gap.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal

from lse_dagster.calendar.inventory import LocalDay, LocalZip
from lse_dagster.calendar.rules import KnownDay, Need, Rule, is_settled
from lse_dagster.day.identity import id_hash, is_other
from lse_dagster.day.summary import SummaryHead

Verified = Literal["passed", "failed", "outdated", "never", "unverified", "unproved"]
"""What the latest checks said. `outdated`: the day was written again since. `unverified`: all is well, but
LangSmith never counted the day, which another system fetched. `unproved`: all is well, but LangSmith may have
forgotten a part of the day before it was fetched."""

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DriveCopy:
    """The zip of a day on Drive."""

    bytes: int
    link: str
    id_hash: str = ""
    """The short hash of its project's id; empty where Drive does not say it."""
    others: tuple["DriveCopy", ...] = ()
    """Those of other projects of the same name: the latest there need not be the latest here."""

    def is_as_long_as(self, zipped: LocalZip) -> bool:
        """Whether nothing says that the zip here is not there."""
        return any(zipped.bytes == copy.bytes for copy in (self, *self.others))


@dataclass(frozen=True)
class CheckResults:
    """The latest results of one day's checks."""

    complete: bool
    """Whether every check was run."""
    current: bool
    """Whether they were run after the day was written."""
    counts_failed: bool
    """Whether a comparison with LangSmith's counts failed."""
    others_failed: bool
    in_time: bool
    """Whether the day was fetched before LangSmith began to forget it."""


@dataclass(frozen=True)
class CalendarDay:
    """One day. `total` is LangSmith's count now if it was asked, else when the day was fetched."""

    day: date
    local: LocalDay
    summary: SummaryHead | None
    """Of the day folder; of the zip where there is no folder and somebody looked into it."""
    on_drive: DriveCopy | None
    drive_known: bool
    checks_known: bool
    checks: CheckResults | None
    total_now: int | None
    expected: bool
    """Whether the project's archive had begun by then; what was never begun is no gap."""
    is_settled: bool
    """Whether LangSmith is asked no more about it: what was unfinished will hardly ever end."""
    is_expired: bool
    """Whether LangSmith has begun to forget it."""
    project_id: str = ""
    """LangSmith's id of its project, or the short hash of it, as far as that was looked for."""
    is_beside: bool = False
    """Whether it lies beside that of another project of the same name, which is the later one."""

    @property
    def is_anywhere(self) -> bool:
        """Whether there is anything of the day on this disk or on Drive."""
        return self.local.has_folder or self.local.zip is not None or self.on_drive is not None

    @property
    def is_freed(self) -> bool:
        """Whether its folder is gone from this disk, and the day is in its zip or on Drive."""
        return self.is_anywhere and not self.local.has_folder

    @property
    def is_forgotten(self) -> bool:
        """Whether it was never archived, as far as is known, and cannot be any more: nothing is to be done.

        Some traces outlive their day: a count that was asked for now may know better.
        """
        return self.is_expired and self._is_missing and not (self.may_be_fetched or self.checks)

    @property
    def _is_missing(self) -> bool:
        return self.expected and self.drive_known and not self.is_anywhere

    @property
    def may_be_fetched(self) -> bool:
        """Whether LangSmith has anything of it, as far as is known."""
        return not self.is_expired if self.total_now is None else self.total_now > 0

    @property
    def total(self) -> int | None:
        """How many runs LangSmith counts."""
        if self.total_now is not None:
            return self.total_now
        return self.summary.langsmith_total if self.summary is not None else None

    @property
    def runs(self) -> int | None:
        """How many of those runs are here."""
        return self.summary.counts.runs_started_in_day if self.summary is not None else None

    @property
    def pending(self) -> int:
        """How many runs were unfinished when the day was fetched."""
        return self.summary.counts.pending_runs if self.summary is not None else 0

    @property
    def drive_matches(self) -> bool | None:
        """Whether Drive reports the size of the local zip; None without the two of them."""
        if self.on_drive is None or self.local.zip is None:
            return None
        return self.on_drive.is_as_long_as(self.local.zip)

    @property
    def verified(self) -> Verified | None:
        """What the checks said; None where nobody looked."""
        if not self.checks_known:
            return None
        if self.checks is None:
            return "never"
        uncounted = self.summary is not None and self.summary.unverified is not None
        if self.checks.others_failed or (self.checks.counts_failed and not uncounted):
            return "failed"
        if not (self.checks.complete and self.checks.current):
            return "outdated" if self.checks.complete else "never"
        proved: Verified = "passed" if self.checks.in_time else "unproved"
        return "unverified" if uncounted else proved

    @property
    def proved_whole_by(self) -> str | None:
        """What proves that it is the whole day, in words; None where nothing does, or nobody looked."""
        return "when it was fetched" if self.verified == "passed" else None

    @property
    def gap(self) -> tuple[Need, str] | None:
        """What the day needs first, and why; None when it needs nothing.

        LangSmith has one project of a name: nothing can be fetched of the one before it.
        """
        from_langsmith = {Need.ARCHIVE, Need.FETCH} if self.is_beside else set()
        return next((gap for gap in self._gaps() if gap[0] not in from_langsmith), None)

    def _gaps(self) -> Iterator[tuple[Need, str]]:
        """Every need, the most urgent first: what comes earlier in the data's way must be right first."""
        local, zipped = self.local, self.local.zip
        # What LangSmith has forgotten may still lie in Drive's trash.
        is_fetched = self.on_drive is None and self.may_be_fetched
        if local.broken:
            yield (Need.FETCH if is_fetched else Need.RESTORE), "no valid summary in the day folder"
        if self._is_missing and self.may_be_fetched:
            yield Need.ARCHIVE, "some of it outlived its day" if self.is_expired else "not archived"
        if self._is_missing and self.is_expired and self.checks:
            yield Need.RESTORE, "it was archived, and is neither here nor on Drive now"
        if self.runs is not None and self.total is not None and self.runs < self.total:
            yield Need.FETCH, "runs are missing"
        if self.pending and not self.is_settled:
            yield Need.FETCH, "runs were unfinished"
        if local.summary is not None and zipped is None and self.on_drive is None:
            yield Need.ZIP, "no zip"
        if zipped is not None and not zipped.whole:
            lost = Need.ARCHIVE if is_fetched else Need.RESTORE
            yield (Need.ZIP if local.has_folder else lost), "the zip is cut off"
        if zipped is not None and not local.zip_is_of_folder:
            yield Need.ZIP, "the zip is not of this day folder"
        if zipped is not None and self.drive_known and self.on_drive is None:
            yield Need.UPLOAD, "not on Drive"
        if self.drive_matches is False:
            yield Need.UPLOAD, "the copy on Drive is not of this zip"
        if self.verified == "failed":
            yield Need.VERIFY, "a check failed"
        if self.verified in {"outdated", "never"} and local.has_folder:
            yield Need.VERIFY, "not verified" if self.verified == "never" else "changed since it was verified"


@dataclass(frozen=True)
class Findings:
    """What was found out about the days of one project. None: nobody looked there."""

    local: Mapping[date, LocalDay]
    now: datetime
    rule: Rule
    on_drive: Mapping[date, DriveCopy] | None = None
    checks: Mapping[date, CheckResults] | None = None
    totals: Mapping[date, int] | None = None
    summaries_in_zips: Mapping[Path, SummaryHead] | None = None

    @cached_property
    def known_days(self) -> list[date]:
        """The days that lie somewhere, in order."""
        return sorted({*self.local, *(self.on_drive or {})})

    def day(self, day: date) -> CalendarDay:
        """All that is known of one day: of the latest project of the name."""
        return self.each_day(day)[0]

    def each_day(self, day: date) -> list[CalendarDay]:
        """The same of every project of the name that has the date, the latest first."""
        local = self.local.get(day, LocalDay(day))
        copy = (self.on_drive or {}).get(day)
        copies = [copy, *copy.others] if copy is not None else []
        found = []
        for here in (local, *local.others):
            own = _copy_of(here, copies)
            copies = [one for one in copies if one is not own]
            found.append((here, own))
        found += [(LocalDay(day, said_id=copy.id_hash), copy) for copy in copies]
        return [self._joined(*one, is_beside=number > 0) for number, one in enumerate(found)]

    def _joined(self, local: LocalDay, copy: DriveCopy | None, *, is_beside: bool) -> CalendarDay:
        day, latest = local.day, not is_beside
        summary = local.summary
        if summary is None and local.zip is not None:
            summary = (self.summaries_in_zips or {}).get(local.zip.path)
        known = KnownDay.of(summary, on_drive=copy is not None) if summary is not None else None
        said = local.project_id or (summary.project_id if summary is not None else "")
        return CalendarDay(
            day=day,
            local=local,
            summary=summary,
            on_drive=copy,
            drive_known=self.on_drive is not None,
            checks_known=self.checks is not None and latest,
            checks=(self.checks or {}).get(day) if latest else None,
            total_now=(self.totals or {}).get(day) if latest else None,
            expected=bool(self.known_days) and day >= self.known_days[0],
            is_settled=is_settled(day, known, self.rule, self.now),
            is_expired=self.now >= self.rule.expires(day),
            project_id=said or (copy.id_hash if copy is not None else ""),
            is_beside=is_beside,
        )


def _copy_of(here: LocalDay, copies: Sequence[DriveCopy]) -> DriveCopy | None:
    """The one of them that is of the same project. What does not say whose it is may be of any."""
    hashed = id_hash(here.project_id)
    size = here.zip.bytes if here.zip is not None and not hashed else None
    own = [copy for copy in copies if not is_other(copy.id_hash, hashed)]
    return min(own, key=lambda copy: copy.id_hash != hashed if hashed else copy.bytes != size, default=None)


@dataclass(frozen=True)
class Gap:
    """Days in a row that need the same thing."""

    need: Need
    why: str
    first: date
    last: date
    project_id: str = ""
    """Of a project whose days lie beside those of another one of the same name; empty of that one."""

    @property
    def days(self) -> int:
        """How many days that are."""
        return (self.last - self.first).days + 1


def gaps(days: Iterable[CalendarDay]) -> list[Gap]:
    """What is to be done, days in a row taken together, of each project apart. `days` in order."""
    needing = [(day.project_id if day.is_beside else "", day.day, *day.gap) for day in days if day.gap]
    needing.sort(key=itemgetter(0))

    def row(numbered: tuple[int, tuple[str, date, Need, str]]) -> tuple[str, Need, date]:
        number, (project_id, day, need, _) = numbered
        return project_id, need, day - number * _ONE_DAY

    found = []
    for (project_id, need, _), group in groupby(enumerate(needing), key=row):
        days_in_a_row, whys = zip(*((day, why) for _, (_, day, _, why) in group), strict=True)
        reasons = " or ".join(dict.fromkeys(whys))
        found.append(Gap(need, reasons, days_in_a_row[0], days_in_a_row[-1], project_id))
    return found
