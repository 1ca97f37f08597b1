"""What Dagster keeps and shows of a day: numbers under stable names, which the UI plots, tables, and hashes.

The numbers are those of the summary; nothing is counted here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

import dagster as dg

from lse_dagster.day.overwrite.difference import Replacement
from lse_dagster.day.summary import Summary
from lse_dagster.defs.own_records import (
    Owner,
    latest_materializations,
    latest_observations,
    metadata_of,
    owner_metadata,
)
from lse_dagster.defs.project import ArchivedProject
from lse_dagster.errors import printable
from lse_dagster.langsmith.server import project_page
from lse_dagster.run.tally import Tally
from lse_dagster.steps.fetch.day import FetchedDay

DayMetadata = Mapping[str, dg.MetadataValue | int | float | str]

SOURCE_METADATA: Final = "source"
FETCHED_AT_METADATA: Final = "fetched_at"
PENDING_RUNS_METADATA: Final = "pending_runs"
PRESENT_ID_METADATA: Final = "langsmith_project_id"
"""LangSmith's id of the project that has the name now, whatever is archived."""
SHA256_METADATA: Final = "sha256"

_STATUSES: Final = ("success", "error", "pending")
_MARKUP: Final = re.compile(r"[\\`*<>\[\]~&]|(?<![^\W_])_|_(?![^\W_])")
"""An underscore within a word is none."""
_LONGEST_BAR: Final = 12
"""The UI shows Markdown of up to 1,000 characters where it stands, and hides more behind a click."""


def was_restored_from_drive(metadata: Mapping[str, dg.MetadataValue]) -> bool:
    """Whether a `raw_runs` with this metadata came from Drive."""
    source = metadata.get(SOURCE_METADATA)
    return source is not None and source.value == "drive"


def was_restored(instance: dg.DagsterInstance, day: date, owner: Owner) -> bool:
    """Whether the day's latest materialization came from Drive."""
    latest = latest_materializations(instance, "raw_runs", [day], owner)
    return day in latest and was_restored_from_drive(metadata_of(latest[day]))


def numbers_of_day(summary: Summary) -> dict[str, int | str]:
    """The counts and hashes of the summary."""
    counts = summary.counts
    numbers: dict[str, int | str] = {
        "dagster/row_count": counts.runs_started_in_day + counts.tail_runs,
        "runs": counts.runs_started_in_day,
        "tail_runs": counts.tail_runs,
        "carried_over_runs": counts.carried_over_runs,
        "traces": counts.traces,
        "root_runs": counts.root_runs,
        PENDING_RUNS_METADATA: counts.pending_runs,
        "feedback": counts.feedback,
        "missing_feedback": sum(short.lacking for short in summary.short_feedback),
        "attachments": counts.attachments,
        "missing_attachments": len(summary.missing_attachments),
        "bytes": summary.bytes,
        "sha256": summary.sha256,
        "api": summary.api,
        FETCHED_AT_METADATA: summary.fetched_at,
    }
    if summary.langsmith_total is not None:
        numbers["langsmith_total"] = summary.langsmith_total
    if summary.asked is not None:
        numbers["proved_whole_by"] = "when it was fetched" if summary.asked.proves_whole else "nothing"
    if summary.unverified is not None:
        numbers["unverified"] = summary.unverified.why
    # A restored summary may be anybody's.
    return {name: printable(value) if isinstance(value, str) else value for name, value in numbers.items()}


def numbers_of_fetch(fetched: FetchedDay, endpoint: str) -> DayMetadata:
    """How the fetch of a day went, and what LangSmith said of the project."""
    page, traffic = project_page(endpoint, fetched.project), fetched.traffic
    return {
        **tables_of_day(fetched.tally),
        PRESENT_ID_METADATA: printable(fetched.project.id),
        **({"langsmith_link": dg.MetadataValue.url(page)} if page is not None else {}),
        "requests": traffic.requests,
        "retries": traffic.retries,
        "bytes_received": traffic.bytes,
        "seconds_waited": traffic.seconds_waited,
        "resumed_runs": fetched.resumed_runs,
    }


def numbers_of_replacement(replacement: Replacement) -> dict[str, int]:
    """How a day differs from what was there: what is new, changed, kept (it goes on in the day) or lost."""
    found = replacement.difference
    withdrawn = {
        "runs": found.withdrawn_runs,
        "attachments": found.withdrawn_attachments,
        "feedback": found.withdrawn_feedback,
    }
    given_up = replacement.given_up
    return {
        "runs_added": found.added,
        "runs_changed": found.changed,
        **{f"{noun}_kept": 0 if given_up else count for noun, count in withdrawn.items()},
        **{f"{noun}_lost": count if given_up else 0 for noun, count in withdrawn.items()},
    }


def tables_of_day(tally: Tally) -> dict[str, dg.MarkdownMetadataValue]:
    """The runs that started in the day by type and status, and by hour, as Markdown."""
    return {
        "runs_by_type": dg.MetadataValue.md(_by_type(tally)),
        "runs_by_hour_utc": dg.MetadataValue.md(_by_hour(tally)),
    }


def _by_type(tally: Tally) -> str:
    counted = tally.by_type_and_status
    types = sorted({run_type for run_type, _ in counted})
    others = sorted({status for _, status in counted} - set(_STATUSES))
    statuses = [*_STATUSES, *others]

    def row(name: str, of_types: Sequence[str]) -> list[str]:
        numbers = [sum(counted.get((one, status), 0) for one in of_types) for status in statuses]
        return [name, *(f"{number:,}" for number in (*numbers, sum(numbers)))]

    rows = [row(run_type, [run_type]) for run_type in types]
    return markdown_table(
        ["type", *statuses, "all"], "l" + "r" * (len(statuses) + 1), [*rows, row("all", types)]
    )


def _by_hour(tally: Tally) -> str:
    most = max(tally.by_hour.values(), default=1)

    def row(hour: int) -> list[str]:
        runs = tally.by_hour.get(hour, 0)
        return [f"{hour:02}:00", f"{runs:,}", "█" * -(-runs * _LONGEST_BAR // most)]

    return markdown_table(["UTC", "runs", ""], "lrl", [row(hour) for hour in range(24)])


def markdown_table(head: Sequence[str], alignment: str, rows: Iterable[Sequence[str]]) -> str:
    """A column is aligned to the left (`l`) or to the right (`r`)."""
    rule = ["---:" if side == "r" else "---" for side in alignment]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in (head, rule, *rows))


def in_markdown(name: str) -> str:
    """A name as it is, whatever Markdown or HTML would make of its characters."""
    return _MARKUP.sub(r"\\\g<0>", name)


def _cell(text: str) -> str:
    """Types and statuses are the server's words: they must not end a cell or a row."""
    return printable(" ".join(text.replace("|", "\\|").split()))


def recorded_sha256(instance: dg.DagsterInstance, day: date, owner: Owner) -> str | None:
    """The hash that was recorded last for the owner's zip of the day."""
    made = latest_materializations(instance, "day_zip", [day], owner).values()
    seen = latest_observations(instance, "day_zip", day, owner)
    for record in sorted((*made, *seen), key=lambda record: record.timestamp, reverse=True):
        value = metadata_of(record).get(SHA256_METADATA)
        if value is not None and isinstance(value.value, str):
            return value.value
    return None


def observation(project: ArchivedProject, day: date, sha256: str, project_id: str) -> dg.AssetObservation:
    """The event that records the hash of a zip that was proved now."""
    return dg.AssetObservation(
        asset_key=project.key("day_zip"),
        partition=day.isoformat(),
        description="Every member was inflated and agrees with the summary inside.",
        metadata={SHA256_METADATA: sha256, **owner_metadata(project.configured_name, project_id)},
    )
