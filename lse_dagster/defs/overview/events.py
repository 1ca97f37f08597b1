"""How the overview of all projects is shown in Dagster: numbers that plot, a table, the result of the check.

The looks of the reconciliation bring it up to date without a run; a run looks itself (`asset`).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg
import msgspec

from lse_dagster.calendar.overview import Standing
from lse_dagster.defs.alerts.kept import keep, kept
from lse_dagster.defs.overview.kept import kept_overviews
from lse_dagster.defs.overview.words import Overviews, Verdict, storage_table, table, through, verdict

KEY: Final = dg.AssetKey("archive_overview")
CHECK: Final = "every_day_is_archived"
_LAST: Final = "lse/overview"
FIRST_LOOKS_TAKE: Final = timedelta(hours=1)
"""Of a project at which nobody has looked yet nothing is said for so long."""
_COUNTED: Final[Mapping[str, Standing]] = {
    "days_missing": "missing",
    "days_late": "late",
    "days_at_risk": "at risk",
    "days_forgotten": "forgotten",
    "days_in_time": "in time",
}


@dataclass(frozen=True)
class Shown:
    """What Dagster is told of all projects at a moment."""

    metadata: Mapping[str, Any]
    verdict: Verdict

    @classmethod
    def of(cls, found: Overviews, price: float | None, now: datetime) -> "Shown":
        """Of what was found last of each project. `price`: of a GB on Drive a month, in USD."""
        looked = [one for one in found.values() if one is not None]
        drive_bytes = sum(one.drive_bytes for one in looked)
        expiries = [(when, day) for one in looked if one.next_expiry for day, when in [one.next_expiry]]
        next_expiry = (
            "{1}, from {0:%Y-%m-%d %H:%M} UTC on".format(*min(expiries))
            if expiries
            else "no day that is not safe"
        )
        takes: dict[str, float | str] = {}
        if all(one.drive_was_asked for one in looked):  # a plot must not fall to nothing meanwhile
            takes = {"drive_bytes": drive_bytes, "storage_usd_per_month": drive_bytes / 1e9 * (price or 0)}
        if price is None:
            takes.pop("storage_usd_per_month", None)
            takes["storage_cost"] = "not known: no LSE_STORAGE_USD_PER_GB_MONTH in .env"
        metadata = {
            "overview": dg.MetadataValue.md(table(found, now)),
            "storage": dg.MetadataValue.md(storage_table(found, price)),
            "archived_through": str(through(looked) or "none yet"),
            "next_expiry": next_expiry,
            "projects": len(found),
            "days_on_drive": sum(one.on_drive for one in looked),
            "days_on_disk": sum(one.on_disk for one in looked),
            "disk_bytes": sum(one.disk_bytes for one in looked),
            **{name: sum(len(one.days(how)) for one in looked) for name, how in _COUNTED.items()},
            **takes,
        }
        return cls(metadata, verdict(found, now))

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        """An error as long as somebody can do something about it."""
        return dg.AssetCheckSeverity.ERROR if self.verdict.is_urgent else dg.AssetCheckSeverity.WARN

    @property
    def digest(self) -> str:
        """The same of what reads the same."""
        text = repr((dg.AssetMaterialization(KEY, metadata=self.metadata).metadata, self.verdict))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def remember(self, instance: dg.DagsterInstance, waits_since: datetime | None = None) -> None:
        """That this is what is shown, whoever looked: what differs from it is news."""
        keep(instance, _LAST, _Last(self.digest, waits_since))


class _Last(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was shown last, and since when a project waits for its first look."""

    digest: str = ""
    waits_since: datetime | None = None


def refresh(
    instance: dg.DagsterInstance, projects: Iterable[str], price: float | None, now: datetime
) -> None:
    """Show what the last looks found, if that is news. Two queries and no request; no run is launched."""
    found, last = kept_overviews(instance, projects), kept(instance, {_LAST}, _Last).get(_LAST, _Last())
    if None in found.values():
        since = last.waits_since or now
        if now - since < FIRST_LOOKS_TAKE:
            keep(instance, _LAST, _Last(last.digest, since))
            return
    shown = Shown.of(found, price, now)
    if shown.digest == last.digest:
        return
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata=shown.metadata))
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            KEY, CHECK, shown.verdict.passed, severity=shown.severity, description=shown.verdict.text
        )
    )
    shown.remember(instance, last.waits_since if None in found.values() else None)
