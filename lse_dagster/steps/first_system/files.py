"""The runs that the system before this one archived, and making a day of ours from them.

It kept one file per run, `{run_id}_{HHMMSS}.json`, holding `{"metadata": {...}, "trace": {run}}`, in folders
named by the fetch date or, later, by the run's date; a run of its later form carries its `feedback_records`.
It never asked LangSmith for a count, so a day made of its files is marked as unverified.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from lse_dagster.advice import lse_command
from lse_dagster.day.staging import StagedDay, Staging
from lse_dagster.day.summary import Unverified
from lse_dagster.day.writing.writer import DayWriter, Imported
from lse_dagster.errors import ArchiveError
from lse_dagster.run.feedback import FeedbackRecord
from lse_dagster.run.identity import InvalidRun, RunIdentity, read_identity
from lse_dagster.run.raw_json import RawDecoder, why_no_json
from lse_dagster.run.times import DayInterval, from_microseconds, parse_time

T = TypeVar("T")

NOT_COUNTED: Final = (
    "The first system fetched these runs and did not ask LangSmith how many there were: some may be missing."
)

_RUN_FILE: Final = re.compile(r"(?P<run>[\w\-]+)_\d{6}\.json", re.ASCII)


class RunsOfOtherDays(ArchiveError):
    """Files that were archived as one day hold runs of other days, which that day cannot hold."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    metadata: msgspec.Raw
    trace: msgspec.Raw


class _Metadata(msgspec.Struct):
    extracted_at: str = ""
    project_name: str | None = None


class _Run(msgspec.Struct):
    session_id: str | None = None
    feedback_records: list[msgspec.Raw] | None = None


_FILE: Final = RawDecoder(_File, raws=("metadata", "trace"))
_METADATA: Final = RawDecoder(_Metadata)
_RUN: Final = RawDecoder(_Run, raws=("feedback_records",))


def _decode(decoder: RawDecoder[T], content: bytes | bytearray) -> T:
    """What Python's `json` wrote may be no JSON: it writes NaN."""
    try:
        return decoder.decode(content)
    except msgspec.ValidationError:
        raise
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return decoder.salvage(bytes(content))


@dataclass(frozen=True)
class FirstSystemRun:
    """One run file: the run's bytes as they stand there, and what lay beside them."""

    file: str
    raw: bytes
    metadata: bytes
    feedback: list[bytes]
    identity: RunIdentity
    project: str | None
    project_id: str | None
    extracted_at: str

    @property
    def date(self) -> date:
        """The UTC date on which the run started, whatever date it was filed under."""
        return self.identity.start.date()

    @property
    def age(self) -> tuple[str, str]:
        """By this the later of two files of one run is told."""
        return self.extracted_at, self.file


def is_run_file_name(name: str) -> bool:
    """Whether a name is that of a run file of the first system."""
    return _RUN_FILE.fullmatch(name) is not None


def read_run_file(name: str, content: bytes | bytearray) -> FirstSystemRun:
    """Read one run file, in either of its forms. Raises `InvalidRun` with the reason."""
    try:
        file = _decode(_FILE, content)
        metadata = _decode(_METADATA, bytes(file.metadata))
        run = _decode(_RUN, bytes(file.trace))
        raw = bytes(file.trace)
        identity = read_identity(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRun(f"{name} is no run file of the first system: {error}") from None
    named = _RUN_FILE.fullmatch(name)
    if named is None or named["run"] != identity.id:
        raise InvalidRun(f"{name} holds the run {identity.id}")
    return FirstSystemRun(
        file=name,
        raw=raw,
        metadata=bytes(file.metadata),
        feedback=[bytes(record) for record in run.feedback_records or ()],
        identity=identity,
        project=metadata.project_name,
        project_id=run.session_id,
        extracted_at=metadata.extracted_at,
    )


def read_run_files(folder: Path) -> Iterator[FirstSystemRun]:
    """Every run of a folder of the first system, by name. Raises `InvalidRun`, `OSError`.

    Their `date` says where they belong; the folder's name does not.
    """
    for path in sorted(folder.iterdir()):
        if is_run_file_name(path.name):
            yield read_run_file(path.name, path.read_bytes())


def stage_runs(
    staging: Staging,
    runs: Iterable[FirstSystemRun],
    *,
    original_summary: str | None = None,
    leave_out_others: bool = False,
) -> StagedDay:
    """A day of ours from runs of the first system, in any order; `store.publish` puts it in its place.

    Of a run that comes twice the later form is the run; the earlier one stays beside it in the trace's
    `first_system` records, where every run's `metadata` is kept too. Raises `RunsOfOtherDays`, and
    `InvalidRun` for a run of another project; the staging is the caller's to discard. Also `DiskError`.
    """
    collected = _Collected(staging)
    for run in runs:
        collected.add(run)
    collected.part_with_others(refuse=not leave_out_others)
    return collected.finish(original_summary)


class _Collected:
    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._writer = DayWriter(staging)
        self._latest: dict[str, FirstSystemRun] = {}
        self._records: dict[str, list[bytes]] = {}
        self._others: Counter[date] = Counter()

    def add(self, run: FirstSystemRun) -> None:
        if run.project not in {None, self._staging.project}:
            raise InvalidRun(f"{run.file} is of the project {run.project!r}")
        run_id = run.identity.id
        before = self._latest.get(run_id)
        if before is not None and run.age < before.age:
            self._record(run, superseded=run.raw)
            return
        if before is not None:
            self._records[run_id].pop(0)
            self._record(before, superseded=self._writer.held(run_id))
        self._writer.add([run.raw], listed="tail")
        if self._writer.lacking([run_id]):
            self._others[run.date] += 1
            return
        self._record(run)
        # The bytes are on the disk by now.
        self._latest[run_id] = replace(run, raw=b"")

    def part_with_others(self, *, refuse: bool) -> None:
        """Refuse runs of other days, or leave them out: those before the day are, by the writer."""
        day = DayInterval.of(self._staging.date)
        later = [
            trace
            for trace in self._writer.traces_after_the_day()
            if trace.told_start_us is None or from_microseconds(trace.told_start_us) not in day
        ]
        for trace in later:
            self._others[from_microseconds(trace.start_us).date()] += trace.runs
        if refuse and self._others:
            raise self._other_days()
        self._writer.leave_out([trace.id for trace in later])
        for run_id in self._writer.lacking(list(self._latest)):
            del self._latest[run_id]

    def finish(self, original_summary: str | None) -> StagedDay:
        runs = self._latest.values()
        moments = [moment for run in runs if (moment := parse_time(run.extracted_at)) is not None]
        imported = Imported(
            project_id=next((run.project_id for run in runs if run.project_id), ""),
            api="v1",
            fetched_at=max(moments, default=DayInterval.of(self._staging.date).end),
            unverified=Unverified("first_system", NOT_COUNTED, original_summary),
            records=self._records,
        )
        for run in runs:
            self._writer.add_feedback(
                FeedbackRecord(run.identity.id, f"{number:09}", raw)
                for number, raw in enumerate(run.feedback)
            )
        return self._writer.finish(imported)

    def _record(self, run: FirstSystemRun, *, superseded: bytes | None = None) -> None:
        """What lay beside a run; its present form first, those that it superseded after."""
        fields = {"file": run.file, "metadata": _as_json(run.metadata)}
        if superseded is not None:
            fields["trace"] = _as_json(superseded)
        records = self._records.setdefault(run.identity.id, [])
        records.insert(0 if superseded is None else len(records), msgspec.json.encode(fields))

    def _other_days(self) -> RunsOfOtherDays:
        staging = self._staging
        days = ", ".join(f"{count:,} of {day}" for day, count in sorted(self._others.items()))
        return RunsOfOtherDays(
            f"Making the day {staging.date} of {staging.project!r} from files of the first system",
            f"They hold runs of other days ({days}): its older form filed runs under the date of the fetch.",
            f"Bring them over with `{lse_command('migrate', staging.project)}`, which files every run "
            "under its own date.",
        )


def _as_json(content: bytes) -> msgspec.Raw:
    """The bytes, or as a text what is no JSON."""
    if not why_no_json(content):
        return msgspec.Raw(content)
    return msgspec.Raw(msgspec.json.encode(content.decode("utf-8", "backslashreplace")))
