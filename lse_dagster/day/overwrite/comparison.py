"""What old days hold that a new one lacks, found by reading them all once, in any order.

Of an older form of a run nothing is lacking where a later form, in whichever of the old days, held all of it.
What is compared lies in a temporary database, because a day may have a million runs.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from lse_dagster.day.disk import private_database, sqlite_as_os_error
from lse_dagster.day.errors import DiskError
from lse_dagster.day.file_table import FileEntry
from lse_dagster.day.names import is_trace_file_name
from lse_dagster.day.overwrite.difference import Difference
from lse_dagster.day.overwrite.entries import (
    CHANGED,
    NEW,
    SAME,
    CarriedFile,
    Entry,
    TraceOfEntries,
    bits,
    digest_of,
    form_of,
    row_of,
    row_of_feedback,
    row_of_run,
)
from lse_dagster.day.overwrite.loss import (
    CONTENT_FIELDS,
    RunForm,
    field_of_file,
    is_held_inline,
    read_form,
)
from lse_dagster.day.overwrite.offer import Offer
from lse_dagster.day.overwrite.old_day import OldDay
from lse_dagster.day.overwrite.run_files import FilesOfRuns, fields_of_kept_files
from lse_dagster.day.run_names import is_kept_file_name, is_unfiled_file_name, unfiled_file_name
from lse_dagster.day.summary import Summary
from lse_dagster.day.trace_file import KeptFeedback, KeptRun, TraceFile, read_entry, record_of_present_form
from lse_dagster.errors import ArchiveError
from lse_dagster.run.feedback import read_record
from lse_dagster.run.identity import InvalidRun

_CACHE_KIB: Final = 4096
_EXAMPLES: Final = 3
_TABLES: Final = """
    CREATE TABLE run (
        id TEXT PRIMARY KEY, file INTEGER, held INTEGER, ended INTEGER, digest BLOB, content BLOB,
        state INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE feedback (key TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID;
    CREATE TABLE trace (id TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID;
    CREATE TABLE entry (
        kind TEXT, key TEXT, digest BLOB PRIMARY KEY, held INTEGER, ended INTEGER, content BLOB,
        fetched_at TEXT, is_new INTEGER, trace TEXT, start TEXT, api TEXT, raw BLOB, source INTEGER,
        name TEXT, target TEXT, of_field INTEGER
    );
    CREATE INDEX entry_of_key ON entry (kind, key);
    CREATE INDEX entry_of_trace ON entry (trace);
"""


class ReadableDay(Protocol):
    """A day folder or a day zip."""

    @property
    def summary(self) -> Summary:
        """What it says of itself."""

    def named_traces(self) -> Iterator[tuple[str, TraceFile]]:
        """Every trace with the name of its file, one in memory at a time. Raises as `broken` makes it."""

    def read_trace(self, name: str) -> TraceFile:
        """The trace in one file. Raises as `broken` makes it."""

    def unfiled(self) -> Iterator[bytes]:
        """The runs in files of their own. Raises as `broken` makes it."""

    def broken(self, why: str) -> ArchiveError:
        """The error for a day whose files are not what its summary says."""


Day = TypeVar("Day", bound=ReadableDay)


class Comparison(Generic[Day]):
    """A new day beside the old ones. A context manager, because it holds a file."""

    def __init__(self, new: Day) -> None:
        """Read the new day. Raises `DiskError`, and what its methods raise."""
        self.new = new
        self._files = new.summary.files
        self._olds: list[OldDay] = []
        self._same_files = bytearray(len(self._files))
        self._missing = {lost.file: lost for lost in new.summary.missing_attachments}
        self.downloaded_before: dict[str, CarriedFile] = {}
        """Files that the new day names and could not get, and an old day has."""
        with _disk_errors():
            self._database = private_database(None, _TABLES, cache_kib=_CACHE_KIB)
        try:
            self._read_new()
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def take(self, old: OldDay) -> None:
        """Read an old day. Raises `DiskError`."""
        source = len(self._olds)
        self._olds.append(old)
        files = old.summary.files
        other: list[str] = []
        for name, entry in files.items():
            position = self._files.position(name)
            if position >= 0 and self._files.entry(position) == entry:
                self._same_files[position] = True
            elif is_trace_file_name(name) or is_kept_file_name(name):
                continue
            elif position >= 0 or name not in self._missing or not self._was_downloaded(old, name):
                other.append(name)
        taking = Offer(self, old, source, other)
        # A file that differs says by its name which run it is of, but only the run says all of its names.
        for trace in old.traces(None if other else self.new.summary):
            taking.take(trace)
        for name in filter(is_unfiled_file_name, other):
            if (raw := old.read_file(name)) is not None:
                taking.take_unfiled(name, raw)
        taking.end()

    def _was_downloaded(self, old: OldDay, name: str) -> bool:
        """Whether an old day has the content of a file that the new one could not get, and of no other."""
        before = self.downloaded_before.get(name)
        if before is not None:
            return before.old.summary.files[name] == old.summary.files[name]
        if not old.is_intact(name):
            return False
        self.downloaded_before[name] = CarriedFile(old, name, name)
        if (field := field_of_file(name)) in CONTENT_FIELDS:  # with its file the new day holds it
            run_id = self._missing[name].run_id
            self._add("UPDATE run SET held = held | ? WHERE id = ?", [(bits([field]), run_id)])
        return True

    def take_all(self, olds: Iterable[OldDay]) -> None:
        """Read old days, the latest first; one with the content of another that was whole is not read again.

        So what the new day could not download is as it was last.
        """
        whole: set[str] = set()
        for old in sorted(olds, key=lambda old: old.fetched_at, reverse=True):
            if old.summary.sha256 not in whole:
                self.take(old)
                if not old.damaged:
                    whole.add(old.summary.sha256)

    def difference(self) -> Difference:
        """How the new day differs from all that were taken."""
        self._drop_files_of_no_form()
        same = self._same_files
        states = dict.fromkeys((NEW, SAME, CHANGED), 0)
        for file, state, count in self._ask("SELECT file, state, count(*) FROM run GROUP BY file, state"):
            states[SAME if same[file] else state] += count
        counts = dict(self._ask("SELECT kind, count(*) FROM entry WHERE is_new GROUP BY kind"))
        examples = self._ask(
            "SELECT DISTINCT key FROM entry WHERE is_new AND kind != 'first' LIMIT ?", _EXAMPLES
        )
        lacking = [self._missing[name].run_id for name in self.downloaded_before]
        return Difference(
            added=states[NEW],
            changed=states[CHANGED],
            withdrawn_runs=counts.get("run", 0),
            withdrawn_attachments=counts.get("attachment", 0),
            withdrawn_feedback=counts.get("feedback", 0),
            withdrawn_records=counts.get("first", 0),
            not_downloaded=len(lacking),
            examples=tuple([key for (key,) in examples] + lacking)[:_EXAMPLES],
        )

    @property
    def carries_anything(self) -> bool:
        """Whether anything of the old days is to go on in the new one."""
        return bool(self.downloaded_before or self._ask("SELECT 1 FROM entry WHERE is_new LIMIT 1"))

    def entries(self) -> Iterator[TraceOfEntries]:
        """What is to go on, trace by trace."""
        self._drop_files_of_no_form()
        traces = self._ask(
            "SELECT entry.trace, min(start), min(api), name_of.name FROM entry"
            " LEFT JOIN trace AS name_of ON name_of.id = entry.trace WHERE is_new GROUP BY entry.trace"
        )
        for trace_id, start, api, name in traces:
            rows = self._ask(
                "SELECT kind, raw, source, name, target FROM entry WHERE is_new AND trace = ?"
                " ORDER BY kind, key, digest",
                trace_id,
            )
            yield TraceOfEntries(trace_id, start, api, name, [self._entry(*row) for row in rows])

    def _entry(self, kind: str, raw: bytes, source: int, name: str | None, target: str | None) -> Entry:
        file = CarriedFile(self._olds[source], name, target) if name is not None and target else None
        return Entry(kind, raw, file)

    def _read_new(self) -> None:
        files = FilesOfRuns(self._files)
        for name, trace in self.new.named_traces():
            self._add("INSERT OR REPLACE INTO trace VALUES (?, ?)", [(trace.trace_id, name)])
            try:
                forms = [read_form(raw, files.fields) for raw in trace.runs]
            except InvalidRun as error:
                raise self.new.broken(f"{name}: {error}") from error
            position = self._files.position(name)
            self._add_forms(forms, position)
            self._add(
                "INSERT OR IGNORE INTO feedback VALUES (?, ?)",
                [(read_record(raw).id, digest_of(raw)) for raw in trace.feedback],
            )
            self._note_own(trace)
        for raw in self.new.unfiled():
            form = read_form(raw, files.fields)
            position = self._files.position(unfiled_file_name(form.id))
            self._add_forms([form], position)

    def _add_forms(self, forms: Iterable[RunForm], position: int) -> None:
        rows = (
            (form.id, position, bits(form.held), form.ended, form.digest, form.content, NEW) for form in forms
        )
        self._add("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _note_own(self, trace: TraceFile) -> None:
        """What goes on in the new day already."""
        fields = fields_of_kept_files(trace, self._files)
        for raw in trace.kept:
            entry = read_entry(raw)
            if isinstance(entry, KeptRun):
                self.add_entry(row_of_run(entry, read_form(entry.raw, fields)))
            elif isinstance(entry, KeptFeedback):
                self.add_entry(row_of_feedback(entry))
            else:
                self.add_entry(row_of("attachment", entry.run_id, entry.file.encode()))
        for raw in trace.first_system:
            for known in (bytes(raw), record_of_present_form(raw)):
                self.add_entry(row_of("first", "", known))

    def new_form(self, run_id: str) -> RunForm | None:
        """The run in the new day."""
        found = self._ask("SELECT held, ended, digest, content FROM run WHERE id = ?", run_id)
        return form_of(run_id, *found[0]) if found else None

    def holds_inline(self, run_id: str, file: str) -> bool:
        """Whether the run in the new day holds the field of a file itself."""
        found = self._ask("SELECT file FROM run WHERE id = ?", run_id)
        if not found:
            return False
        trace = self.new.read_trace(self._files.name(found[0][0]))
        return any(is_held_inline(raw, run_id, file) for raw in trace.runs)

    def has_feedback(self, entry: KeptFeedback) -> bool:
        """Whether the record is in the new day, or is to go on in it: as it is, or as it came later."""
        key, content = read_record(entry.raw).id, digest_of(entry.raw)
        found = self._ask(
            "SELECT ?, content FROM feedback WHERE key = ? UNION ALL"
            " SELECT fetched_at, content FROM entry WHERE kind = 'feedback' AND key = ?",
            self.new.summary.fetched_at,
            key,
            key,
        )
        return any(at >= entry.fetched_at or other == content for at, other in found)

    def note_states(self, states: Iterable[tuple[int, str]]) -> None:
        """How runs of the new day stand to the same runs of the first old day that has them."""
        self._add("UPDATE run SET state = ? WHERE id = ? AND NOT state", states)

    def replaces_forms(self, form: RunForm, fetched_at: str) -> bool:
        """Forget earlier forms of a run of which this one holds all.

        False if a later one holds all of it, or one with the same content.
        """
        found = self._ask(
            "SELECT digest, held, ended, content, fetched_at, is_new FROM entry"
            " WHERE kind = 'run' AND key = ?",
            form.id,
        )
        forms = [
            (digest, form_of(form.id, held, ended, digest, content), at, new)
            for digest, held, ended, content, at, new in found
        ]
        if any(
            (at >= fetched_at or not form.says_more_than(other)) and not other.lacks(form)
            for _, other, at, _ in forms
        ):
            return False
        covered = [
            digest for digest, other, at, new in forms if new and at <= fetched_at and not form.lacks(other)
        ]
        self._add("DELETE FROM entry WHERE digest = ?", ((digest,) for digest in covered))
        return True

    def sent_file(self, name: str) -> FileEntry | None:
        """A file that LangSmith sends, in the new day or as it was downloaded before."""
        before = self.downloaded_before.get(name)
        return before.old.summary.files[name] if before is not None else self._files.get(name)

    def add_entry(self, row: tuple[object, ...]) -> None:
        """Let something go on that does not yet."""
        self._add("INSERT OR IGNORE INTO entry VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", [row])

    def _drop_files_of_no_form(self) -> None:
        """A field in a file of its own goes on with the form of its run, not by itself."""
        self._ask(
            "DELETE FROM entry WHERE is_new AND of_field"
            " AND key NOT IN (SELECT key FROM entry WHERE kind = 'run' AND is_new)"
        )

    def _add(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with _disk_errors():
            self._database.executemany(statement, rows)

    def _ask(self, query: str, *parameters: object) -> list[Any]:
        with _disk_errors():
            return self._database.execute(query, parameters).fetchall()


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        with sqlite_as_os_error("used"):
            yield
    except OSError as error:
        raise DiskError("Comparing the new day with the old one", error) from error
