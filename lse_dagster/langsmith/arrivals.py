"""Runs that have just arrived: into the spool of the day, and what they name on its way."""

from collections.abc import Iterable

import msgspec

from lse_dagster.day.run import InvalidRun
from lse_dagster.day.writer import Added, DayWriter, Listed
from lse_dagster.langsmith.attachments import AttachmentDownloads
from lse_dagster.langsmith.errors import InvalidAnswer


def keep_runs(
    raws: Iterable[bytes | msgspec.Raw],
    writer: DayWriter,
    downloads: AttachmentDownloads,
    *,
    listed: Listed,
) -> Added:
    """Keep the runs that belong to the day; `listed` as for `DayWriter.add`.

    Raises `InvalidAnswer` for what is no run, `DiskError`, `Cancelled`.
    """
    try:
        added = writer.add(raws, listed=listed)
        for raw in added.naming_files:
            downloads.add(raw)
    except InvalidRun as error:
        raise InvalidAnswer(
            "Reading a run that LangSmith sent", f"{error}.", "Run this again, and report it if it stays."
        ) from error
    return added
