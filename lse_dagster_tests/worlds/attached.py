"""Days that hold attachment files, for the tests of this room."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lse_dagster.day.disk import flush_files
from lse_dagster.day.file_table import FileEntry, FileTable
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.run_names import is_attachment_file_name
from lse_dagster.day.staging import StagedDay
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import MissingAttachment, Summary, content_sha256, encode_summary
from lse_dagster_tests.worlds.staged import stage


def stage_with(
    store: DayStore,
    runs: Iterable[bytes],
    attachments: Mapping[str, bytes],
    missing: Iterable[MissingAttachment] = (),
    **more: Any,
) -> StagedDay:
    """A staged day of these runs and files; `more` as `stage` takes it."""
    staged = stage(store, runs, **more)
    added = {}
    for name, data in attachments.items():
        assert is_attachment_file_name(name)
        (staged.day.path / name).write_bytes(data)
        added[name] = FileEntry(len(data), hashlib.sha256(data).hexdigest(), 0)
    files = FileTable([*staged.day.summary.files.items(), *added.items()])
    counts = msgspec.structs.replace(staged.day.summary.counts, attachments=len(attachments))
    summary: Summary = msgspec.structs.replace(
        staged.day.summary,
        files=files,
        sha256=content_sha256(files, counts),
        counts=counts,
        missing_attachments=list(missing),
    )
    raw = encode_summary(summary)
    (staged.day.path / SUMMARY).write_bytes(raw)
    flush_files([staged.day.path / SUMMARY])
    return StagedDay(staged.staging, DayFolder(staged.day.path, summary, hashlib.sha256(raw).hexdigest()))
