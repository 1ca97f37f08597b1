"""The archive of a project at a glance: how its days stand, which of them are not safe, what it takes.

Pure values, made of what somebody found who looked at the days. What the health and `archive_overview` call
late is late by one rule.
"""

from collections.abc import Container, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal

import msgspec

from lse_dagster.calendar.evidence import Evidence
from lse_dagster.calendar.inventory import LocalDay
from lse_dagster.calendar.rules import EARLY_WARNING, KnownDay, Need, Rule
from lse_dagster.day.summary import bytes_of_files
from lse_dagster.run.times import DayInterval

LATE_AFTER: Final = timedelta(hours=6)
"""How long after the schedule a day is on Drive at the latest; after that somebody should know."""
_ONE_DAY: Final = timedelta(days=1)

Standing = Literal["safe", "in time", "missing", "late", "at risk", "forgotten"]
"""How a day stands. `safe`: on Drive. `in time`: its night is not long over, or a run works on it. `missing`:
neither here nor on Drive. `late`: here alone. `at risk`: one of both, and LangSmith forgets it soon, or has,
so that what is here is all there is. `forgotten`: LangSmith has it no more, and nobody archived it."""


class Unsafe(msgspec.Struct, frozen=True, array_like=True):
    """A day that is not safe, and the first step that would make it so."""

    day: date
    standing: Standing
    need: Need


class Overview(msgspec.Struct, frozen=True):
    """One project at a moment. Bytes are those of all days; a day counts once."""

    project: str
    looked_at: datetime
    last: date | None
    """The last day that is on Drive."""
    on_drive: int
    on_disk: int
    drive_bytes: int
    disk_bytes: int
    unsafe: tuple[Unsafe, ...] = ()
    """In order. Days that are in time are among them; nobody has to do anything about those."""
    drive_was_asked: bool = True
    """Else what is on Drive is known by records alone, of the last days."""
    next_expiry: tuple[date, datetime] | None = None
    """The day that LangSmith forgets next and that is not safe, and when."""
    watched_from: date = date.max
    """What was forgotten of the days from here on was forgotten lately."""

    def days(self, *standings: Standing) -> list[date]:
        """The days that stand like this, in order."""
        return [one.day for one in self.unsafe if one.standing in standings]


def standing(
    day: date,
    known: KnownDay | None,
    rule: Rule,
    *,
    now: datetime,
    schedule: timedelta,
    is_at_work: bool = False,
) -> Standing:
    """How a day stands. `schedule`: how long after its end it is archived."""
    known, left = known.as_of(now) if known is not None else None, rule.expires(day) - now
    if known is not None and (known.copy_is_unknown or (known.on_drive and not known.lacks_runs)):
        return "safe"
    is_forgotten = left <= timedelta(0)
    if is_forgotten and (known is None or known.on_drive):
        return "forgotten"
    if is_at_work or now < DayInterval.of(day).end + schedule + LATE_AFTER:
        return "in time"
    if left <= EARLY_WARNING:
        return "at risk"
    return "missing" if known is None else "late"


def overview_of(
    project: str,
    evidence: Evidence,
    rule: Rule,
    *,
    first: date,
    now: datetime,
    schedule: timedelta,
    looked_at: Sequence[date],
    at_work: Container[date] = (),
) -> Overview:
    """The project at a glance. `first`: from which day on the settings ask for days.

    `looked_at`: the days whose records were read. While Drive cannot be asked only those are judged.
    """
    unsafe = tuple(_unsafe(evidence, rule, first, now, schedule, looked_at, at_work))
    next_day = next((one.day for one in unsafe if now < rule.expires(one.day)), None)
    copies = evidence.on_drive or {}
    safe = {day for day in looked_at if (one := evidence.known(day)) is not None and one.on_drive}
    on_drive = {*copies} if evidence.on_drive is not None else safe
    not_safe = {one.day for one in unsafe}
    return Overview(
        project=project,
        looked_at=now,
        last=max(on_drive - not_safe, default=None),
        on_drive=len(on_drive),
        on_disk=len(evidence.local),
        drive_bytes=sum(one.bytes for copy in copies.values() for one in (copy, *copy.others)),
        disk_bytes=sum(map(_bytes_here, evidence.local.values())),
        unsafe=unsafe,
        drive_was_asked=evidence.on_drive is not None,
        next_expiry=(next_day, rule.expires(next_day)) if next_day is not None else None,
        watched_from=min(rule.watched_days(now, first=date.min), default=date.max),
    )


def _unsafe(
    evidence: Evidence,
    rule: Rule,
    first: date,
    now: datetime,
    schedule: timedelta,
    looked_at: Sequence[date],
    at_work: Container[date],
) -> Iterator[Unsafe]:
    """The days that are not safe, of all that lie somewhere, that are asked for, or lie between such days."""
    last_night = (now - schedule).date() - _ONE_DAY
    for day in _days(evidence, rule, first, now, last_night, looked_at):
        known = evidence.known(day)
        is_forgotten = now >= rule.expires(day)
        if known is None and (day < first or (is_forgotten and day < evidence.began)):
            continue  # nobody asked for it, or the archive began later
        how = standing(day, known, rule, now=now, schedule=schedule, is_at_work=day in at_work)
        if how != "safe":
            yield Unsafe(day, how, _need(evidence.local.get(day), known))


def _days(
    evidence: Evidence, rule: Rule, first: date, now: datetime, last_night: date, looked_at: Sequence[date]
) -> list[date]:
    if evidence.on_drive is None:
        return [day for day in looked_at if day <= last_night]
    asked_for = max(first, (now - timedelta(days=rule.retention_days)).date())
    begin = min(evidence.began, asked_for)
    return [begin + timedelta(days=number) for number in range((last_night - begin).days + 1)]


def _need(local: LocalDay | None, known: KnownDay | None) -> Need:
    if known is None or known.on_drive or local is None:
        return Need.ARCHIVE
    return Need.UPLOAD if local.summary is None or local.zip_is_of_folder else Need.ZIP


def _bytes_here(local: LocalDay) -> int:
    """Of the files of the folder, of the zip, and of those of other projects of the name."""
    zipped = local.zip.bytes if local.zip is not None else 0
    folder = 0
    if local.folder is not None and local.summary is not None:
        folder = bytes_of_files(local.folder, local.summary.sha256)
    return zipped + folder + sum(map(_bytes_here, local.others))
