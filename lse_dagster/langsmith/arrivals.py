"""Runs that have just arrived: into the spool of the day, and what they name on its way."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from lse_dagster.day.run import InvalidRun
from lse_dagster.day.writer import DayWriter
from lse_dagster.langsmith.attachments import AttachmentDownloads
from lse_dagster.langsmith.errors import InvalidAnswer


def keep_runs(
    raws: Iterable[bytes | msgspec.Raw], writer: DayWriter, downloads: AttachmentDownloads
) -> list[datetime]:
    """Keep the runs that belong to the day. The start times of all, in the order they came.

    Raises `InvalidAnswer` for what is no run, `DiskError`, `Cancelled`.
    """
    try:
        added = writer.add(raws)
        for raw in added.naming_files:
            downloads.add(raw)
    except InvalidRun as error:
        raise InvalidAnswer(
            "Reading a run that LangSmith sent", f"{error}.", "Run this again, and report it if it stays."
        ) from error
    return added.starts
