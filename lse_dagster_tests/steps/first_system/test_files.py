"""Days of the first system become days of ours: nothing is lost, and nothing is said that nobody knows."""

import json
import tarfile
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from lse_dagster.day.errors import BrokenZip, OverwriteRefused
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.store import DayStore
from lse_dagster.day.trace_file import read_trace_file
from lse_dagster.day.zip.directory import ZipDirectory
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.run.identity import InvalidRun
from lse_dagster.steps.examination.completeness import examine_traces
from lse_dagster.steps.examination.reading import examine_day
from lse_dagster.steps.first_system.files import RunsOfOtherDays, read_run_files, stage_runs
from lse_dagster.steps.first_system.zips import is_first_system_zip, stage_first_system_zip
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.steps.first_system.first_system_files import SHARED, run_file, write_zip_of
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, PROJECT_ID, content, published_day

needs_real_files = pytest.mark.skipif(
    not SHARED.exists(), reason="the shared files of the first system are not beside this checkout"
)
ROOT = root(at("10:00:00.123456"))
CHILD = ROOT.child(at("10:00:01"))


@pytest.fixture
def store(tmp_path: Path) -> DayStore:
    return DayStore(tmp_path / "data")


def restore(store: DayStore, path: Path, day: date = DAY) -> DayFolder:
    with store.stage(PROJECT, day) as staging, ZipDirectory(path) as archive:
        staged = stage_first_system_zip(archive, staging)
    return store.publish(staged, "superset").day


def test_its_zip_becomes_a_day_with_the_bytes_of_every_run(store: DayStore, tmp_path: Path) -> None:
    files = dict([run_file(CHILD), run_file(ROOT, feedback_records=[{"key": "score", "score": "0.5"}])])
    path = write_zip_of(tmp_path / "old.zip", {**files, SUMMARY: b'{"operation": {}}\n'})

    day = restore(store, path)

    (trace,) = day.traces()
    (name,) = day.summary.trace_names()
    assert name == f"{ROOT.id}_20250829T100000123456Z.json"
    originals = {name: data.decode() for name, data in files.items()}
    for run, file in zip(trace.runs, (f"{ROOT.id}_020000.json", f"{CHILD.id}_020000.json"), strict=True):
        assert f'"trace": {bytes(run).decode()}\n}}' in originals[file]
    kept = [json.loads(bytes(record)) for record in trace.first_system]
    assert [record["file"] for record in kept] == [f"{ROOT.id}_020000.json", f"{CHILD.id}_020000.json"]
    assert [record["metadata"] for record in kept] == [
        json.loads(originals[record["file"]])["metadata"] for record in kept
    ]
    assert [json.loads(bytes(record)) for record in trace.feedback] == [{"key": "score", "score": "0.5"}]
    day.verify_files()


def test_its_day_is_marked_as_unverified_and_claims_no_total(store: DayStore, tmp_path: Path) -> None:
    files = dict([run_file(ROOT), run_file(CHILD)])
    original = b'{"operation": {"timestamp": "2025-08-30"}}\n'
    path = write_zip_of(tmp_path / "old.zip", {**files, SUMMARY: original})

    summary = restore(store, path).summary

    assert summary.unverified is not None
    assert summary.unverified.source == "first_system"
    assert summary.unverified.original_summary == original.decode()
    assert (summary.langsmith_total, summary.langsmith_root_total) == (None, None)
    assert (summary.counts.runs_started_in_day, summary.counts.traces, summary.counts.root_runs) == (2, 1, 1)
    assert summary.fetched_at == "2025-08-30T02:00:00.000000Z"
    assert summary.project_id == "11111111-0000-4000-8000-000000000000"


def test_a_fetched_day_says_nothing_about_being_unverified(tmp_path: Path) -> None:
    day = published_day(tmp_path, [ROOT.raw()])

    assert "unverified" not in day.summary_path.read_text()
    assert "first_system" not in (day.path / next(day.summary.trace_names())).read_text()


def test_a_zip_of_the_unverified_day_is_one_of_ours_and_stays_unverified(
    store: DayStore, tmp_path: Path
) -> None:
    old = write_zip_of(tmp_path / "old.zip", dict([run_file(ROOT)]))
    day = restore(store, old)
    zips = ZipStore(tmp_path / "archives")

    path = make_zip(zips, day, "superset").zip.path

    with ZipDirectory(old) as first, ZipDirectory(path) as ours:
        assert is_first_system_zip(first)
        assert not is_first_system_zip(ours)
    assert zips.load(PROJECT, DAY).summary == day.summary
    assert make_zip(zips, store.load(PROJECT, DAY), "superset").action == "kept"
    assert zips.load(PROJECT, DAY).run_ids() == {ROOT.id}


def test_of_a_run_that_was_extracted_twice_both_forms_are_kept_and_the_later_counts(
    store: DayStore, tmp_path: Path
) -> None:
    forms = [
        run_file(ROOT, extracted_at=f"2025-08-30T0{hour}:00:00", clock=f"0{hour}0000", name=f"form {hour}")
        for hour in (3, 1, 2)
    ]
    path = write_zip_of(tmp_path / "old.zip", dict(forms))

    (trace,) = restore(store, path).traces()

    assert [json.loads(bytes(run))["name"] for run in trace.runs] == ["form 3"]
    kept = [json.loads(bytes(record)) for record in trace.first_system]
    assert kept[0]["file"] == f"{ROOT.id}_030000.json"
    assert "trace" not in kept[0]
    assert sorted(record["trace"]["name"] for record in kept[1:]) == ["form 1", "form 2"]


def test_runs_of_other_days_are_not_dropped_but_refused(store: DayStore, tmp_path: Path) -> None:
    other = root(at("10:00:00", "2025-08-27"))
    path = write_zip_of(tmp_path / "old.zip", dict([run_file(ROOT), run_file(other)]))

    with pytest.raises(RunsOfOtherDays, match="1 of 2025-08-27"):
        restore(store, path)

    assert store.find(PROJECT, DAY) is None


def test_its_zip_in_the_archives_directory_gives_way_to_a_day_that_holds_its_runs(
    store: DayStore, tmp_path: Path
) -> None:
    zips = ZipStore(tmp_path / "archives")
    place = zips.zip_path(PROJECT, DAY)
    place.parent.mkdir()
    write_zip_of(place, dict(run_file(run, session_id=PROJECT_ID) for run in (ROOT, CHILD)))
    old, smaller = place.read_bytes(), published_day(tmp_path / "smaller", [ROOT.raw()])

    with pytest.raises(OverwriteRefused, match="1 runs and 2 records"):
        make_zip(zips, smaller, "superset")

    assert place.read_bytes() == old
    assert make_zip(zips, restore(store, place), "superset").action == "built"
    assert zips.load(PROJECT, DAY).run_ids() == {ROOT.id, CHILD.id}


def _broken(name: str, data: bytes) -> tuple[str, bytes]:
    return name, data.replace(b'"trace"', b'"tracE"')


def _of_another_run(name: str, data: bytes) -> tuple[str, bytes]:
    return f"{CHILD.id}_020000.json", data


def _with_more_in_it(name: str, data: bytes) -> tuple[str, bytes]:
    return name, data[:-2] + b', "more": 1}'


def _of_another_project(name: str, data: bytes) -> tuple[str, bytes]:
    return name, data.replace(PROJECT.encode(), b"another")


def _climbing(name: str, data: bytes) -> tuple[str, bytes]:
    return f"../{name}", data


ODD_NAMES = {
    "half a surrogate": rb'"\ud83d"',
    "NaN": b"NaN",
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "no UTF-8": b'"\xff"',
}


@pytest.mark.parametrize("odd", ODD_NAMES.values(), ids=ODD_NAMES)
def test_a_run_file_that_is_no_good_json_keeps_no_day_from_coming_back(
    odd: bytes, store: DayStore, tmp_path: Path
) -> None:
    name, data = run_file(CHILD)
    odd_file = data.replace(b'"a run"', odd)
    summary = b'{"note": "\xff"}'
    path = write_zip_of(tmp_path / "old.zip", {name: odd_file, **dict([run_file(ROOT)]), SUMMARY: summary})

    day = restore(store, path)

    assert day.run_ids() == {ROOT.id, CHILD.id}
    kept = b"".join(file.read_bytes() for file in day.path.iterdir())
    assert odd in kept
    assert examine_day(day).differences == []
    assert all(json.loads((day.path / name).read_bytes()) for name in day.summary.trace_names())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_broken, "no run file"),
        (_of_another_run, "holds the run"),
        (_with_more_in_it, "no run file"),
        (_of_another_project, "'another'"),
        (_climbing, "no file of the first system"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    change: Callable[[str, bytes], tuple[str, bytes]], why: str, store: DayStore, tmp_path: Path
) -> None:
    good = run_file(root(at("11:00:00")))
    path = write_zip_of(tmp_path / "old.zip", dict([good, change(*run_file(ROOT))]))

    with pytest.raises(BrokenZip, match=why):
        restore(store, path)

    assert {found.name for found in store.day_path(PROJECT, DAY).parent.iterdir()} <= {f".{DAY}.lock"}


def test_a_damaged_run_is_found_by_its_crc(store: DayStore, tmp_path: Path) -> None:
    path = write_zip_of(tmp_path / "old.zip", dict([run_file(ROOT)]))
    data = bytearray(path.read_bytes())
    data[120] ^= 0x10
    path.write_bytes(data)

    with pytest.raises(BrokenZip):
        restore(store, path)


@needs_real_files
def test_its_real_zip_comes_back_whole(store: DayStore) -> None:
    path = SHARED / "my-project_2025-08-29.zip"

    day = restore(store, path)

    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist() if name != SUMMARY}
    runs = {run.id: run for run in day.identities()}
    assert {name.split("_")[0] for name in files} == set(runs)
    for trace in day.traces():
        for run, record in zip(trace.runs, trace.first_system, strict=True):
            assert bytes(run).decode() in files[json.loads(bytes(record))["file"]]
    assert examine_traces(day).is_whole
    assert (day.summary.counts.traces, day.summary.counts.feedback) == (2, 2)


@needs_real_files
def test_its_real_folders_become_days_by_the_dates_of_their_runs(store: DayStore, tmp_path: Path) -> None:
    with tarfile.open(SHARED / "data.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / PROJECT

    dates = {
        name: {run.date.isoformat() for run in read_run_files(folder / name)}
        for name in ("2025-08-29", "2025-08-30", "2025-09-03")
    }
    with store.stage(PROJECT, date(2025, 8, 30)) as staging:
        staged = stage_runs(staging, read_run_files(folder / "2025-08-30"))
    crossing = store.publish(staged, "superset").day

    assert dates == {
        "2025-08-29": {"2025-08-29"},
        "2025-08-30": {"2025-08-30"},
        "2025-09-03": {"2025-08-27"},
    }
    assert (crossing.summary.counts.carried_over_runs, crossing.summary.counts.traces) == (8, 1)
    assert examine_traces(crossing).is_whole
    assert crossing.summary.unverified is not None
    assert crossing.summary.unverified.original_summary is None
    fetch_date = date(2025, 9, 3)
    with pytest.raises(RunsOfOtherDays, match="2025-08-27"), store.stage(PROJECT, fetch_date) as staging:
        stage_runs(staging, read_run_files(folder / "2025-09-03"))


def test_a_file_that_is_no_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "abc_020000.json").write_text("[]")

    with pytest.raises(InvalidRun, match=r"abc_020000\.json"):
        list(read_run_files(tmp_path))


def test_a_trace_file_with_its_records_is_read_like_any_other(store: DayStore, tmp_path: Path) -> None:
    day = restore(store, write_zip_of(tmp_path / "old.zip", dict([run_file(ROOT), run_file(CHILD)])))

    (path,) = [path for path in day.path.iterdir() if path.name != SUMMARY]
    assert [json.loads(bytes(run))["id"] for run in read_trace_file(path).runs] == [ROOT.id, CHILD.id]
    assert day.run_ids() == {ROOT.id, CHILD.id}
    assert set(content(day.path)) == {path.name, SUMMARY}
