"""Days whose files somebody wrote anew, every hash right: what a summary claims is then a lie or not."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from lse_dagster.day.file_table import FileEntry, FileTable
from lse_dagster.day.folder import DayFolder, read_day_folder
from lse_dagster.day.summary import content_sha256, encode_summary


def rewrite(
    day: DayFolder,
    *,
    counts: Mapping[str, int] | None = None,
    schema: Literal["lse.day/1", "lse.day/2"] = "lse.day/2",
    files: Mapping[str, FileEntry] | None = None,
) -> DayFolder:
    """The day with other counts, another format, other files in its summary: with the hash that fits."""
    table = day.summary.files if files is None else FileTable(files.items())
    claimed = msgspec.structs.replace(day.summary.counts, **(counts or {}))
    summary = msgspec.structs.replace(
        day.summary,
        schema=schema,
        counts=claimed,
        files=table,
        sha256=content_sha256(table, claimed, schema=schema),
    )
    day.summary_path.write_bytes(encode_summary(summary))
    return reread(day)


def reread(day: DayFolder) -> DayFolder:
    """The day as it lies there now."""
    found = read_day_folder(day.path, project=day.project, day=day.date)
    assert found is not None
    return found
