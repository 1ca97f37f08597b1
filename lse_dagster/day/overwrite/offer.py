"""Offering one old day to a comparison, trace by trace: what of it the new day lacks goes on."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from lse_dagster.day.overwrite.entries import (
    CHANGED,
    SAME,
    row_of,
    row_of_feedback,
    row_of_run,
)
from lse_dagster.day.overwrite.loss import (
    CONTENT_FIELDS,
    RunForm,
    field_of_file,
    read_form,
)
from lse_dagster.day.overwrite.old_day import OldDay
from lse_dagster.day.overwrite.run_files import FilesOfRuns, fields_of_kept_files
from lse_dagster.day.run_names import attachment_file_name, kept_file_name, name_before_kept
from lse_dagster.day.trace_file import (
    KeptAttachment,
    KeptFeedback,
    KeptRun,
    TraceFile,
    encode_entry,
    read_entry,
)
from lse_dagster.run.identity import InvalidRun

if TYPE_CHECKING:
    from lse_dagster.day.overwrite.comparison import Comparison


class Offer:
    """One old day while it is read."""

    def __init__(self, to: "Comparison[Any]", old: OldDay, source: int, other_files: Iterable[str]) -> None:
        self._to = to
        self._old = old
        self._source = source
        self._others = set(other_files)
        """Files of the old day that the new one has not, or has otherwise, and whose run was not met yet."""
        self._files = FilesOfRuns(old.summary.files)

    def take(self, trace: TraceFile) -> None:
        """Compare one trace with the new day."""
        fields = fields_of_kept_files(trace, self._old.summary.files)
        for entry in map(read_entry, trace.kept):
            if isinstance(entry, KeptRun):
                self._offer(trace, entry, read_form(entry.raw, fields))
            elif isinstance(entry, KeptFeedback):
                self._offer_feedback(trace, entry)
            else:
                self._offer_kept_file(trace, entry)
        self._take_runs(trace)
        for raw in trace.feedback:
            self._offer_feedback(trace, KeptFeedback(trace.api, self._old.summary.fetched_at, raw))
        for raw in trace.first_system:
            self._keep(trace, row_of("first", "", bytes(raw)), bytes(raw))

    def end(self) -> None:
        """Keep the files whose run was not met: its trace cannot be read."""
        start = f"{self._old.summary.date}T00:00:00.000000Z"
        for name in sorted(self._others):
            run, _, rest = name.partition(".")
            self._keep_file(
                TraceFile("lse.trace/2", "", run, start, self._old.summary.api, [], []), run, rest, name
            )

    def _take_runs(self, trace: TraceFile) -> None:
        states = []
        for raw in trace.runs:
            form = read_form(raw, self._files.fields)
            now = self._to.new_form(form.id)
            if now is not None:
                states.append((SAME if now.digest == form.digest else CHANGED, form.id))
            goes_on = self._offer(trace, KeptRun(trace.api, self._old.summary.fetched_at, raw), form)
            self._take_files(trace, form, form_goes_on=goes_on)
        self._to.note_states(states)

    def take_unfiled(self, name: str, raw: bytes) -> None:
        """A run in a file of its own goes on by itself unless the new day holds all of it."""
        try:
            form = read_form(raw, self._files.fields)
        except InvalidRun:
            return
        now = self._to.new_form(form.id)
        if now is None:
            return
        self._to.note_states([(SAME if now.digest == form.digest else CHANGED, form.id)])
        came = KeptRun(self._old.summary.api, self._old.summary.fetched_at, msgspec.Raw())
        if not now.lacks(form) and not self._came_later(came, form, now):
            self._others.discard(name)

    def _offer(self, trace: TraceFile, entry: KeptRun, form: RunForm) -> bool:
        """Whether a form of a run goes on: something that it holds is nowhere else."""
        now = self._to.new_form(form.id)
        if not self._to.replaces_forms(form, entry.fetched_at):
            return False
        if now is not None and not now.lacks(form) and not self._came_later(entry, form, now):
            return False
        self._keep(trace, row_of_run(entry, form), encode_entry(entry))
        return True

    def _came_later(self, entry: KeptRun, form: RunForm, now: RunForm) -> bool:
        """Whether a form is later than the new day's and says what that does not: it is no older form of it.

        Both generations of the API write the same content differently.
        """
        new = self._to.new.summary
        return entry.fetched_at > new.fetched_at and entry.api == new.api and form.says_more_than(now)

    def _take_files(self, trace: TraceFile, form: RunForm, *, form_goes_on: bool) -> None:
        names = {attachment_file_name(form.id, "attachment", name): name for name in form.attachments}
        for file in self._files.of_run(form.id):
            other = file in self._others
            self._others.discard(file)
            field = field_of_file(file)
            if field in CONTENT_FIELDS:
                goes_on = form_goes_on
            else:
                goes_on = other and not (field is not None and self._to.holds_inline(form.id, file))
            if goes_on:
                self._keep_file(trace, form.id, names.get(file) or file.partition(".")[2], file)

    def _offer_kept_file(self, trace: TraceFile, entry: KeptAttachment) -> None:
        # Where its run could not be read, nothing but the file's name says what it was called.
        names = attachment_file_name(entry.run_id, "attachment", entry.name), name_before_kept(entry.file)
        sent = {file.sha256 for name in names if (file := self._to.sent_file(name)) is not None}
        kept = self._old.summary.files.get(entry.file)
        if kept is not None and (field_of_file(entry.file) or kept.sha256 not in sent):
            self._keep_file(trace, entry.run_id, entry.name, entry.file)

    def _offer_feedback(self, trace: TraceFile, entry: KeptFeedback) -> None:
        if not self._to.has_feedback(entry):
            self._keep(trace, row_of_feedback(entry), encode_entry(entry))

    def _keep_file(self, trace: TraceFile, run_id: str, name: str, file: str) -> None:
        if not self._old.is_intact(file):
            return
        target = kept_file_name(file, self._old.summary.files[file].sha256)
        raw = encode_entry(KeptAttachment(run_id, name, target))
        self._keep(trace, row_of("attachment", run_id, target.encode()), raw, file=file, target=target)

    def _keep(
        self,
        trace: TraceFile,
        row: tuple[object, ...],
        raw: bytes,
        *,
        file: str | None = None,
        target: str | None = None,
    ) -> None:
        of_field = file is not None and field_of_file(file) in CONTENT_FIELDS
        where = (True, trace.trace_id, trace.start_time, trace.api, raw, self._source, file, target, of_field)
        self._to.add_entry((*row[: -len(where)], *where))
