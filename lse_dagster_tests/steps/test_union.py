"""Whatever LangSmith sends when, and wherever the day lies meanwhile: nothing that was archived goes."""

import dataclasses
import io
import json
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from lse_dagster.day.errors import BrokenDay, BrokenZip, OverwriteRefused
from lse_dagster.day.names import SUMMARY, is_trace_file_name
from lse_dagster.day.overwrite.carry_over import with_summary
from lse_dagster.day.run_names import attachment_file_name, name_before_kept
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary, MissingAttachment, Summary, decode_summary
from lse_dagster.day.trace_file import (
    KeptAttachment,
    KeptFeedback,
    KeptRun,
    TraceFile,
    decode_trace,
    read_entry,
)
from lse_dagster.day.whole import Asked
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import DriveError
from lse_dagster.langsmith.errors import DayForgotten
from lse_dagster.run.times import DayInterval
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.settings import Settings
from lse_dagster.steps.drive_copy import find_copy
from lse_dagster.steps.free_disk import remove_local_copy
from lse_dagster.steps.places import Places
from lse_dagster.steps.restore import NotOnDrive, stage_from_drive
from lse_dagster.steps.union import keep_what_was_there, take_as_it_is
from lse_dagster.steps.upload import upload_day
from lse_dagster.steps.zip import zip_day
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT

ROOT = root(at("10:00:00"))
RUNS = [ROOT, ROOT.child(at("10:00:01")), root(at("11:00:00"))]
FIELDS = ("inputs", "outputs", "error", "events", "extra", "tags", "manifest")
NOTHING: st.SearchStrategy[Any] = st.sampled_from([None, "", {}, []])
SOMETHING = st.sampled_from([{"a": 1}, [1], "text", {"": None}, 0, False])
FORM = st.fixed_dictionaries(
    {"status": st.sampled_from(["PENDING", "SUCCESS"])},
    optional=dict.fromkeys(FIELDS, SOMETHING | NOTHING),
)
SENT = st.dictionaries(st.sampled_from(range(len(RUNS))), FORM)
FEEDBACK = st.dictionaries(st.sampled_from(["f1", "f2"]), st.sampled_from(range(len(RUNS))))
FILES = st.dictionaries(
    st.tuples(st.sampled_from(range(len(RUNS))), st.sampled_from(["a.txt", "B.txt"])),
    st.sampled_from([b"one", b"two", None]),
)
"""None: named, and it could not be downloaded."""
MACHINE = st.sampled_from([0, 1])
RETENTION_DAYS = 14
FORGOTTEN_FROM = DayInterval.of(DAY).start + timedelta(days=RETENTION_DAYS)

Fact = tuple[str, ...]
"""Something that was archived and must be in some place: that a field of a run is held, what it held last,
that there is a record, what it said last, a file."""
LATEST = ("value", "record")


class Archive(RuleBasedStateMachine):
    """One day on two machines with one Drive folder: fetched, zipped, sent, freed, restored and damaged."""

    drive: DriveArchive

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.now = DayInterval.of(DAY).end
        self.expected: set[Fact] = set()
        if (copy := find_copy(self.drive, PROJECT, DAY)) is not None:
            self.drive.set_aside(copy)

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def places(self, machine: int, *, online: bool = True) -> Places:
        at_home = self.folder / str(machine)

        @contextmanager
        def unreachable() -> Iterator[DriveArchive]:
            raise DriveError("Looking at Drive", "It does not answer.", "Wait.")
            yield self.drive

        drive: Callable[[], Any] = (lambda: nullcontext(self.drive)) if online else unreachable
        return Places(DayStore(at_home / "data"), ZipStore(at_home / "archives"), drive, lambda _: None)

    @rule(
        machine=MACHINE,
        online=st.booleans(),
        goes=st.sampled_from(["nowhere", "into the zip", "to Drive"]),
        sent=SENT,
        feedback=FEEDBACK,
        files=FILES,
    )
    def fetch(
        self,
        machine: int,
        online: bool,
        goes: str,
        sent: dict[int, dict[str, Any]],
        feedback: dict[str, int],
        files: dict[tuple[int, str], bytes | None],
    ) -> None:
        self.now += timedelta(minutes=1)
        forms, records = {}, defaultdict[str, list[bytes]](list)
        for number, fields in sent.items():
            named = {name: "https://s3/x" for run, name in files if run == number}
            form = fields | ({"attachments": named} if named else {})
            forms[RUNS[number].id] = RUNS[number].raw(**form)
        for key, number in feedback.items():
            if number in sent:
                records[RUNS[number].id].append(json.dumps({"id": key, "score": str(self.now)}).encode())
        there, missing = {}, []
        for (number, name), data in files.items():
            if number in sent and data is not None:
                there[attachment_file_name(RUNS[number].id, "attachment", name)] = data
            elif number in sent:
                missing.append(MissingAttachment(RUNS[number].id, "attachment", name, "404"))
        places = self.places(machine, online=online)
        staged = stage_with(
            places.days, forms.values(), there, missing, feedback=records, fetched_at=self.now
        )
        asked = Asked.for_day(DAY, until=self.now, retention_days=RETENTION_DAYS)
        staged = dataclasses.replace(
            staged, day=with_summary(staged.day, replace(staged.day.summary, asked=asked))
        )
        came = facts_of_folder(staged.day.path)
        try:
            kept = keep_what_was_there(staged, places, "superset", forgotten_from=FORGOTTEN_FROM)
        except DayForgotten:
            assert not forms
            assert self.now >= FORGOTTEN_FROM
            return
        in_time = datetime.fromisoformat(kept.day.summary.fetched_at) < FORGOTTEN_FROM
        assert in_time or kept.day.summary.files
        places.days.publish(kept, "superset")
        again = {fact[:2] for fact in came if fact[0] in LATEST} | {("value", run_id) for run_id in forms}
        self.expected = came | {fact for fact in self.expected if fact[:2] not in again}
        if goes != "nowhere":
            self.zip(machine, online=online)
        if goes == "to Drive":
            self.upload(machine)

    @rule(machine=MACHINE, online=st.booleans())
    def zip(self, machine: int, *, online: bool) -> None:
        places = self.places(machine, online=online)
        if self.folder_of(machine).exists():
            with suppress(BrokenDay):
                zip_day(places, places.days.load(PROJECT, DAY), "superset")

    @rule(machine=MACHINE)
    def upload(self, machine: int) -> None:
        places = self.places(machine)
        if not self.zip_of(machine).exists():
            return
        before = facts_of_zip(self.zip_of(machine).read_bytes())
        with suppress(BrokenZip):
            upload_day(self.drive, places, places.zips.load(PROJECT, DAY), "superset")
            assert {fact for fact in before if fact[0] not in LATEST} <= self.facts_of_copy()

    @rule(machine=MACHINE)
    def restore(self, machine: int) -> None:
        places = self.places(machine)
        with suppress(NotOnDrive, OverwriteRefused, BrokenZip):
            restored = stage_from_drive(self.drive, places.days, PROJECT, DAY)
            staged = take_as_it_is(restored.staged, places, "superset", now=lambda: self.now)
            places.days.publish(staged, "superset")

    @rule(machine=MACHINE)
    def free(self, machine: int) -> None:
        places = self.places(machine)
        remove_local_copy(places.days, places.zips, self.drive, PROJECT, DAY, dry_run=False)

    @rule(machine=MACHINE, data=st.data())
    def damage(self, machine: int, data: st.DataObject) -> None:
        """What was nowhere else is gone by that, and nothing more."""
        there = [*sorted(self.folder_of(machine).glob("*")), self.zip_of(machine)]
        if not (existing := [path for path in there if path.exists()]):
            return
        path = data.draw(st.sampled_from(existing))
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1
        path.unlink()  # it may have another name elsewhere
        path.write_bytes(content)
        self.expected &= self.facts()

    @rule()
    def langsmith_begins_to_forget(self) -> None:
        self.now = max(self.now, FORGOTTEN_FROM)

    def folder_of(self, machine: int) -> Path:
        return self.places(machine).days.day_path(PROJECT, DAY)

    def zip_of(self, machine: int) -> Path:
        return self.places(machine).zips.zip_path(PROJECT, DAY)

    def facts_of_copy(self) -> set[Fact]:
        copy = find_copy(self.drive, PROJECT, DAY)
        if copy is None:
            return set()
        self.drive.download(copy, self.folder / "copy.zip")
        return facts_of_zip((self.folder / "copy.zip").read_bytes())

    def facts(self) -> set[Fact]:
        """What can be proved to be in any place."""
        found = self.facts_of_copy()
        for machine in 0, 1:
            found |= facts_of_folder(self.folder_of(machine))
            if self.zip_of(machine).exists():
                found |= facts_of_zip(self.zip_of(machine).read_bytes())
        return found

    @invariant()
    def nothing_goes(self) -> None:
        if hasattr(self, "expected"):
            assert not self.expected - self.facts()


def facts_of_folder(folder: Path) -> set[Fact]:
    return facts_of({path.name: path.read_bytes() for path in folder.glob("*")})


def facts_of_zip(content: bytes) -> set[Fact]:
    files = {}
    with suppress(zipfile.BadZipFile, NotImplementedError), zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            with suppress(zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError):
                files[name] = archive.read(name)
    return facts_of(files)


def facts_of(files: dict[str, bytes]) -> set[Fact]:
    """Those of the files that the summary vouches for."""
    try:
        summary = decode_summary([files[SUMMARY]], project=PROJECT, day=DAY, origin="the test")
    except (KeyError, InvalidSummary):
        return set()
    found: set[Fact] = set()
    proved = {
        name: files[name]
        for name, entry in summary.files.items()
        if name in files and sha256(files[name]).hexdigest() == entry.sha256
    }
    for name, content in proved.items():
        if is_trace_file_name(name):
            trace = decode_trace(content)
            found |= set(facts_of_trace(trace))
            expect_reasons(trace, summary)
        else:
            found.add(("file", name_before_kept(name), content.decode()))
    if len(proved) == len(summary.files):
        expect_counts(map(decode_trace, (proved[name] for name in summary.trace_names())), summary)
    return found


def facts_of_trace(trace: TraceFile) -> Iterator[Fact]:
    entries = [read_entry(raw) for raw in trace.kept]
    kept = [entry.raw for entry in entries if isinstance(entry, KeptRun)]
    for form in map(read_json, [*trace.runs, *kept]):
        yield from (("held", form["id"], field) for field in held(form))
        yield from (("value", form["id"], field, json.dumps(form[field])) for field in held(form) - {"end"})
    said = [entry.raw for entry in entries if isinstance(entry, KeptFeedback)]
    for record in map(read_json, [*trace.feedback, *said]):
        yield "feedback", record["id"]
        yield "record", record["id"], record["score"]


def expect_reasons(trace: TraceFile, summary: Summary) -> None:
    """Nothing is kept that LangSmith sends."""
    sent = {form["id"]: form for form in map(read_json, trace.runs)}
    records = {record["id"] for record in map(read_json, trace.feedback)}
    for entry in map(read_entry, trace.kept):
        if isinstance(entry, KeptAttachment) or entry.fetched_at > summary.fetched_at:
            continue
        came = read_json(entry.raw)
        if isinstance(entry, KeptRun):
            assert came["id"] not in sent or held(came) - held(sent[came["id"]])
        else:
            assert came["id"] not in records


def expect_counts(traces: Iterator[TraceFile], summary: Summary) -> None:
    counts, kinds, empty = summary.counts, Counter[type](), 0
    for trace in traces:
        kinds.update(type(read_entry(raw)) for raw in trace.kept)
        empty += not trace.runs
    assert (counts.kept_runs, counts.kept_feedback) == (kinds[KeptRun], kinds[KeptFeedback])
    assert (counts.kept_attachments, counts.kept_traces) == (kinds[KeptAttachment], empty)
    assert len(summary.files) == (
        counts.traces + counts.kept_traces + counts.attachments + counts.kept_attachments
    )


def held(form: dict[str, Any]) -> set[str]:
    fields = {field for field in FIELDS if form.get(field) not in (None, "", {}, [])}
    return fields | ({"end"} if form["status"] != "PENDING" else set())


def read_json(raw: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(raw))
    return found


def test_nothing_that_was_archived_goes_whatever_happens_where(
    sandbox: Sandbox, drive_sandbox: ControlClient
) -> None:
    with DriveArchive.connect(Settings.from_environment(sandbox.env).drive) as drive:
        Archive.drive = drive
        run_state_machine_as_test(
            Archive,
            settings=settings(max_examples=60, stateful_step_count=8),
        )
