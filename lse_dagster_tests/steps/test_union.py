"""Whatever LangSmith sends when, and wherever the day lies meanwhile: nothing that was archived goes."""

import json
import shutil
import tempfile
from collections import defaultdict
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lse_dagster.day.attachment import MissingAttachment, attachment_file_name
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.interval import DayInterval
from lse_dagster.day.kept import KeptAttachment, KeptFeedback, KeptRun, read_entry
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip_store import ZipStore
from lse_dagster.steps.places import Places
from lse_dagster.steps.union import keep_what_was_there
from lse_dagster.steps.zip import zip_day
from lse_dagster_tests.day.attached import stage_with
from lse_dagster_tests.day.runs import at, root
from lse_dagster_tests.day.staged import DAY, PROJECT

TRACES = [root(at("10:00:00")), root(at("11:00:00"))]
RUNS = [*TRACES, TRACES[0].child(at("10:00:01")), TRACES[1].child(at("11:00:01"))]
FIELDS = ("inputs", "outputs", "error", "events", "extra", "tags", "manifest")
NOTHING: st.SearchStrategy[Any] = st.sampled_from([None, "", {}, []])
SOMETHING = st.sampled_from([{"a": 1}, [1], "text", {"": None}, 0, False])
FORM = st.fixed_dictionaries(
    {"status": st.sampled_from(["PENDING", "SUCCESS"])},
    optional=dict.fromkeys(FIELDS, NOTHING | SOMETHING),
)
SENT = st.dictionaries(st.sampled_from(range(len(RUNS))), FORM)
FEEDBACK = st.dictionaries(st.sampled_from(["f1", "f2", "f3"]), st.sampled_from(range(len(RUNS))))
FILES = st.dictionaries(
    st.tuples(st.sampled_from(range(len(RUNS))), st.sampled_from(["a.txt", "B.txt"])),
    st.sampled_from([b"one", b"two", None]),
)
"""None: named, and it could not be downloaded."""
FORGOTTEN_FROM = DayInterval.of(DAY).start + timedelta(days=14)


def held(form: dict[str, Any]) -> set[str]:
    fields = {field for field in FIELDS if form.get(field) not in (None, "", {}, [])}
    return fields | ({"end"} if form["status"] != "PENDING" else set())


class Archive(RuleBasedStateMachine):
    """One day, fetched again and again, zipped, freed and damaged in between."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.told: list[str] = []
        days, zips = DayStore(self.folder / "data"), ZipStore(self.folder / "archives")
        self.places = Places(days, zips, None, self.told.append)
        self.now = DayInterval.of(DAY).end
        self.forms: defaultdict[str, list[tuple[bytes, dict[str, Any]]]] = defaultdict(list)
        """Of each run all forms that were archived, the latest last."""
        self.feedback: dict[str, bytes] = {}
        self.files: set[tuple[int, str, bytes]] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @rule(sent=SENT, feedback=FEEDBACK, files=FILES)
    def fetch(
        self,
        sent: dict[int, dict[str, Any]],
        feedback: dict[str, int],
        files: dict[tuple[int, str], bytes | None],
    ) -> None:
        self.now += timedelta(minutes=1)
        forms, records = {}, defaultdict[str, list[bytes]](list)
        for number, fields in sent.items():
            named = {name: "https://s3/x" for run, name in files if run == number}
            form = fields | ({"attachments": named} if named else {})
            raw = RUNS[number].raw(**form)
            forms[RUNS[number].id] = raw
            self.forms[RUNS[number].id].append((raw, fields))
        for key, number in feedback.items():
            if number in sent:
                raw = json.dumps({"id": key, "score": str(self.now)}).encode()
                records[RUNS[number].id].append(raw)
                self.feedback[key] = raw
        there, missing = {}, []
        for (number, name), data in files.items():
            if number in sent and data is not None:
                there[attachment_file_name(RUNS[number].id, "attachment", name)] = data
                self.files.add((number, name, data))
            elif number in sent:
                missing.append(MissingAttachment(RUNS[number].id, "attachment", name, "404"))
        staged = stage_with(
            self.places.days, forms.values(), there, missing, feedback=records, fetched_at=self.now
        )
        kept = keep_what_was_there(
            staged, self.places, "superset", forgotten_from=FORGOTTEN_FROM, now=self.now
        )
        self.places.days.publish(kept, "superset")

    @precondition(lambda self: self.folder_is_there())
    @rule()
    def zip(self) -> None:
        zip_day(self.places, self.places.days.load(PROJECT, DAY), "superset")

    @precondition(lambda self: self.places.zips.zip_path(PROJECT, DAY).exists())
    @rule()
    def free(self) -> None:
        if self.folder_is_there():
            self.zip()
        shutil.rmtree(self.places.days.day_path(PROJECT, DAY), ignore_errors=True)

    @rule()
    def langsmith_begins_to_forget(self) -> None:
        self.now = max(self.now, FORGOTTEN_FROM)

    def folder_is_there(self) -> bool:
        return self.places.days.day_path(PROJECT, DAY).exists()

    @invariant()
    def nothing_goes(self) -> None:
        if not hasattr(self, "places"):
            return
        if self.folder_is_there():
            day = self.places.days.load(PROJECT, DAY)
            day.verify_files()
            self.expect_all_of_it(day)

    def expect_all_of_it(self, day: DayFolder) -> None:
        traces = list(day.traces())
        sent = {json.loads(bytes(run))["id"]: bytes(run) for trace in traces for run in trace.runs}
        entries = [read_entry(raw) for trace in traces for raw in trace.kept]
        older = defaultdict[str, list[bytes]](list)
        for entry in entries:
            if isinstance(entry, KeptRun):
                older[json.loads(bytes(entry.raw))["id"]].append(bytes(entry.raw))
        for run_id, forms in self.forms.items():
            there = [json.loads(raw) for raw in ([sent[run_id]] if run_id in sent else []) + older[run_id]]
            assert set().union(*map(held, there)) == set().union(*(held(form) for _, form in forms))
            known = {raw for raw, _ in forms}
            assert {sent.get(run_id, forms[0][0]), *older[run_id]} <= known
            for raw in older[run_id]:
                if run_id in sent:
                    assert held(json.loads(raw)) - held(json.loads(sent[run_id])), "it is kept for nothing"
        records = {json.loads(bytes(raw))["id"] for trace in traces for raw in trace.feedback}
        kept_records = {
            json.loads(bytes(entry.raw))["id"] for entry in entries if isinstance(entry, KeptFeedback)
        }
        assert records | kept_records == set(self.feedback)
        assert not records & kept_records
        names = {
            (entry.run_id, entry.name, entry.file) for entry in entries if isinstance(entry, KeptAttachment)
        }
        for number, name, data in self.files:
            run_id = RUNS[number].id
            regular = attachment_file_name(run_id, "attachment", name)
            files = [file for run, of, file in names if (run, of) == (run_id, name)]
            files += [regular] if regular in day.summary.files else []
            assert sha256(data).hexdigest() in {day.summary.files[file].sha256 for file in files}
        counts = day.summary.counts
        assert counts.kept_runs == sum(map(len, older.values()))
        assert counts.kept_feedback == len(kept_records)
        assert counts.kept_attachments == len({file for _, _, file in names})
        assert counts.kept_traces == sum(not trace.runs for trace in traces)
        assert len(day.summary.files) == (
            counts.traces + counts.kept_traces + counts.attachments + counts.kept_attachments
        )


TestArchive = Archive.TestCase
TestArchive.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)
