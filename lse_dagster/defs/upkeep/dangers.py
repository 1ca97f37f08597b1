"""What people are told of days that are lost or about to be; the days of one text are in order."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from lse_dagster.advice import lse_command
from lse_dagster.calendar.rules import Danger, Rule
from lse_dagster.calendar.scope import Scope
from lse_dagster.defs.project import ArchivedProject
from lse_dagster.defs.upkeep.ops import DangerConfig
from lse_dagster.run.times import in_rows

_IF_NOT_MEANT: Final = "If that is not meant, correct it in .env, then restart the code server."


def told_of_days(
    project: ArchivedProject,
    days: Sequence[date],
    danger: Danger,
    rule: Rule,
    now: datetime,
    *,
    drive_was_asked: bool,
    was_tried: bool,
) -> DangerConfig:
    """A danger that is the same for all of the days. `was_tried`: whether a run of one of them has ended."""
    one, first = len(days) == 1, rule.expires(days[0])
    which = "The day" if one else f"{len(days):,} days ({', '.join(in_rows(days))})"
    it, this = ("it", "this day") if one else ("them", "these days")
    deletes = f"LangSmith {'deleted' if now >= first else 'deletes'} {it}"
    deletes = f"{deletes} from {first:%Y-%m-%d %H:%M} UTC on."
    again = lse_command("archive", project.name or "", days[0] if one else f"{days[0]}..{days[-1]}")
    if danger == "never compared":
        why = f"{which} {'was' if one else 'were'} fetched while runs could still come, and not once after."
        return _of_drive(
            days,
            f"{why} {deletes} What came late may be missing.",
            f"Keep what is there: it is on Drive. Some traces outlive their day on LangSmith: {again}",
        )
    safe = f"{which} {'is' if one else 'are'} not safe on Drive"
    if not drive_was_asked:
        safe = f"{which} may not be on Drive, which cannot be asked"
    going_on = "" if danger == "expired" else " Attempts go on."
    next_step = f"Read why the last runs of {this} failed, then: {again}"
    if not was_tried:
        next_step = f"No run has ended for {this} yet; see that runs do not only wait (UI: Runs), or: {again}"
    return _of_drive(days, f"{safe}, and {deletes}{going_on}", next_step)


def told_of_attachments(
    project: ArchivedProject, day: date, which: str | None, rule: Rule, now: datetime
) -> DangerConfig:
    """Attachments that could not be had. `which`: what their check says of them."""
    expires, forgotten = rule.expires(day), now >= rule.expires(day)
    deletes = f"LangSmith {'deleted' if forgotten else 'deletes'} them from {expires:%Y-%m-%d %H:%M} UTC on."
    why = f"Attachments could not be downloaded, and {deletes}"
    again = lse_command("archive", project.name or "", day)
    mend = f"Once the store that holds them answers again: {again}"
    keep = "Keep the day as it is: all else of it is on Drive."
    return DangerConfig(
        check="attachments",
        why=f"{why} {which}" if which else why,
        next_step=keep if forgotten else mend,
    )


def told_of_scope(
    before: Scope, scope: Scope, left_out: Sequence[date], *, today: date
) -> DangerConfig | None:
    """What other settings leave out: days that lie neither here nor on Drive, and those to come."""
    changes = []
    if scope.first > before.first:
        changes.append(f"LSE_START_DATE is {scope.first} by now, it was {before.first}.")
    if scope.retention_days < before.retention_days:
        kept = f"{scope.retention_days} by now, it was {before.retention_days}"
        changes.append(f"LSE_RETENTION_DAYS is {kept}.")
    begins_later = scope.first > max(before.first, today)
    if not (left_out or begins_later):
        return None
    if left_out:
        days = f"{len(left_out):,} days" if len(left_out) > 1 else "1 day"
        changes.append(
            f"Neither here nor on Drive, and not fetched any more: {days} ({', '.join(in_rows(left_out))})."
        )
    if begins_later:
        changes.append("Until then no day is archived.")
    return _of_drive(left_out, " ".join(changes), _IF_NOT_MEANT)


def _of_drive(days: Sequence[date], why: str, next_step: str) -> DangerConfig:
    return DangerConfig(check="drive", why=why, next_step=next_step, days=[day.isoformat() for day in days])
