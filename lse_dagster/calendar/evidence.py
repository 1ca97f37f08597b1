"""What is known of a day: what lies on this disk and on Drive. Records only say when something was done.

Pure values: who looks hands in what was found. A record is believed of the content that lies here, of nothing
else: a disk that was replaced, a Dagster home that was lost, or a copy that somebody deleted is then only one
more thing to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from lse_dagster.calendar.days import DriveCopy
from lse_dagster.calendar.inventory import LocalDay
from lse_dagster.calendar.rules import KnownDay
from lse_dagster.day.summary import SummaryHead

SECONDS_BETWEEN_LOOKS: Final = 600
AT_ONCE: Final = 300
"""Days. What is recorded of one takes about 2 ms of a core to read."""


@dataclass(frozen=True)
class Recorded:
    """What was recorded of the last time that a day was published, and copied. Times are aware."""

    content: str | None
    """The hash of what was published last; None if only a copy is recorded."""
    copied: str | None
    """The hash of what was copied to Drive last, or came from there."""
    copied_since: bool
    """Whether that was after the day was published, or is where it came from."""
    fetched_at: datetime | None = None
    pending_runs: int = 0
    missing_attachments: int = 0
    passed_checks: bool = True
    """Whether all blocking checks passed since it was published."""
    compared_at: datetime | None = None
    lacks_runs: bool = False
    has_changed: bool = False

    def is_copied(self, content: str | None) -> bool:
        """Whether exactly this was copied. Published again the same, it may have another summary."""
        return self.copied == content and (self.copied_since or self.content != content)

    @property
    def last_was_copied(self) -> bool:
        """The same of what was published last."""
        return self.content is None or self.is_copied(self.content)


@dataclass(frozen=True)
class Evidence:
    """What was found of the days of one project. `on_drive` is None if Drive could not be asked."""

    local: Mapping[date, LocalDay]
    on_drive: Mapping[date, DriveCopy] | None
    recorded: Mapping[date, Recorded]

    def known(self, day: date) -> KnownDay | None:
        """What is known of a day; None of one that is neither here nor on Drive."""
        local, recorded = self.local.get(day, LocalDay(day)), self.recorded.get(day)
        if local.summary is not None:
            found = self._in_folder(local, local.summary, recorded)
        elif local.is_readable:
            copied = recorded is None or recorded.last_was_copied
            found = _by_records(recorded, on_drive=copied and self._has_copy(local, recorded))
        elif self._has_copy(local, recorded):
            # What was published last is lost if it is not what was copied.
            lost = recorded is not None and not recorded.last_was_copied
            found = _by_records(recorded, on_drive=True, lacks_runs=lost)
        else:
            return None
        return replace(found, copy_is_unknown=self._has_unknown_copy(local, recorded))

    @property
    def began(self) -> date:
        """The first day of the archive; what was never begun is no loss. `date.max` before there is one."""
        return min((*self.local, *(self.on_drive or ()), *self.recorded), default=date.max)

    def can_zip(self, day: date) -> bool:
        """Whether there is a folder to make the day's zip of; else the zip is all that is here."""
        local = self.local.get(day)
        return local is not None and local.summary is not None

    def _in_folder(self, local: LocalDay, head: SummaryHead, recorded: Recorded | None) -> KnownDay:
        """A folder speaks for itself; records say when it was asked for again, checked and copied."""
        copied = recorded is not None and recorded.is_copied(head.sha256)
        on_drive = copied and self._has_copy(local, recorded)
        found = KnownDay.of(head, on_drive=on_drive)
        if recorded is None or recorded.content != head.sha256:
            return found
        return replace(
            found,
            fetched_at=max(filter(None, (found.fetched_at, recorded.fetched_at)), default=None),
            is_sound=on_drive or recorded.passed_checks,
            compared_at=recorded.compared_at,
            lacks_runs=recorded.lacks_runs,
            has_changed=recorded.has_changed,
        )

    def _has_copy(self, local: LocalDay, recorded: Recorded | None) -> bool:
        """Whether Drive has the day, as long as the zip here. If Drive cannot be asked, records say so."""
        if self.on_drive is None:
            return recorded is not None and recorded.copied is not None
        copy = self.on_drive.get(local.day)
        zipped = local.zip if local.zip is not None and local.zip.whole else None
        return copy is not None and (zipped is None or copy.is_as_long_as(zipped))

    def _has_unknown_copy(self, local: LocalDay, recorded: Recorded | None) -> bool:
        """Whether Drive has a copy, and no record says of what.

        Somebody wiped the asset in the UI or reported a partition by hand, or Dagster's database was lost.
        """
        if self.on_drive is None or not self._has_copy(local, recorded):
            return False
        return recorded is None or (recorded.copied is None and not recorded.lacks_runs)


def _by_records(recorded: Recorded | None, *, on_drive: bool, lacks_runs: bool = False) -> KnownDay:
    """A day without a folder here: what it held is only in the records."""
    if recorded is None:
        return KnownDay(fetched_at=None, pending_runs=0, is_sound=True, on_drive=on_drive)
    return KnownDay(
        fetched_at=recorded.fetched_at,
        pending_runs=recorded.pending_runs,
        is_sound=True,
        on_drive=on_drive,
        compared_at=recorded.compared_at,
        lacks_runs=lacks_runs or recorded.lacks_runs,
        has_changed=recorded.has_changed,
        missing_attachments=recorded.missing_attachments,
    )


def unsafe_days(local: Mapping[date, LocalDay], on_drive: Mapping[date, DriveCopy] | None) -> list[date]:
    """The days that are here and, as far as is cheap to see, not on Drive; none while that cannot be asked.

    Not by records: there may be years of days.
    """
    if on_drive is None:
        return []
    return [day for day, found in local.items() if found.is_readable and not _is_of(on_drive.get(day), found)]


def in_turn(days: Sequence[date], now: datetime) -> list[date]:
    """Those of many days that are looked at this time: years of them would take longer than a tick may."""
    begin = int(now.timestamp() // SECONDS_BETWEEN_LOOKS) * AT_ONCE % len(days) if len(days) > AT_ONCE else 0
    return [*days[begin:], *days[:begin]][:AT_ONCE]


def _is_of(copy: DriveCopy | None, local: LocalDay) -> bool:
    """Whether nothing says that a copy is another than what is here."""
    if copy is None:
        return False
    return local.zip is None or (local.zip_is_of_folder and copy.is_as_long_as(local.zip))
