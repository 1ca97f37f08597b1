"""Runs that are no JSON, or name no trace: kept as they came, in files of their own, and told."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lse_dagster.calendar.inventory import local_days
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.run_names import unfiled_file_name
from lse_dagster.day.zip.file import write_zip
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.examination.completeness import examine_traces
from lse_dagster.steps.examination.reading import examine_day
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster.steps.fetch.progress import FetchProgress
from lse_dagster.steps.places import Places
from lse_dagster.steps.recount import count_again, outlines_of_folder, outlines_of_zip
from lse_dagster.steps.union import keep_what_was_there
from lse_dagster_tests.steps.fetch.archived import DAY, LONG_AFTER, MIDNIGHT, NOON, Archive
from lse_dagster_tests.worlds.langsmith import TracedProject
from lse_dagster_tests.worlds.zips import differences_of, extract_zip

ODD = {
    "NaN": b'{"loss":NaN}',
    "infinity": b'{"loss":[-Infinity,Infinity]}',
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "no UTF-8": b'{"text":"\xff\xfe [ } , \\" "}',
    "a control character": b'{"text":"\x01"}',
}


@pytest.fixture(params=["v2", "v1"])
def odd(
    request: pytest.FixtureRequest, langsmith_sandbox: ControlClient
) -> Callable[[dict[str, bytes]], None]:
    """Gives runs inputs that are no JSON."""

    def make(inputs: dict[str, bytes]) -> None:
        texts = {run_id: content.decode("latin-1") for run_id, content in inputs.items()}
        langsmith_sandbox.settings(v2=request.param == "v2", odd_inputs=texts)

    return make


@pytest.mark.parametrize("inputs", ODD.values(), ids=ODD)
def test_a_run_that_is_no_json_is_kept_as_it_came_beside_all_others(
    inputs: bytes,
    odd: Callable[[dict[str, bytes]], None],
    archive: Archive,
    project: TracedProject,
    tmp_path: Path,
) -> None:
    root = project.root(NOON)
    run = project.child(root, NOON + timedelta(seconds=1))
    child = project.child(run, NOON + timedelta(seconds=2))
    tail = project.child(root, MIDNIGHT)
    others = {project.root(NOON + timedelta(minutes=number)).id for number in range(1, 120)}
    assert project.api.post("/feedback", {"run_id": run.id, "key": "score", "score": 1}).ok
    odd({run.id: inputs, tail.id: inputs})

    day = archive.fetch()
    again = archive.fetch()

    counts = day.summary.counts
    assert again.summary.sha256 == day.summary.sha256
    assert day.run_ids() == {root.id, run.id, child.id, tail.id, *others}
    assert (counts.runs_started_in_day, counts.tail_runs, counts.unfiled_runs) == (122, 1, 2)
    assert counts.runs_started_in_day == day.summary.langsmith_total
    assert counts.root_runs == day.summary.langsmith_root_total
    names = sorted(map(unfiled_file_name, (run.id, tail.id)))
    assert list(day.summary.unfiled_names()) == names
    assert all(inputs in (day.path / name).read_bytes() for name in names)
    (trace,) = (trace for trace in day.traces() if trace.trace_id == root.id)
    assert len(trace.feedback) == 1
    found = examine_traces(day)
    assert {run_id for run_id, _ in found.unfiled} == {run.id, tail.id}
    assert (found.missing_parents, found.is_whole) == ((), False)
    examined = examine_day(day)
    assert (examined.differences, examined.counts) == ([], counts)
    assert count_again(
        archive.transport,
        project.name,
        DAY,
        now=LONG_AFTER,
        held=counts.runs_started_in_day,
        outlines=lambda: outlines_of_folder(day),
    ).is_as_archived

    zipped = write_zip(day, tmp_path / "day.zip")
    extracted = extract_zip(zipped.path, _folder(tmp_path), project=project.name, day=DAY)

    assert differences_of(zipped.path, day) == []
    assert outlines_of_zip(zipped) == outlines_of_folder(day)
    assert zipped.run_ids() == day.run_ids()
    assert extracted.summary == day.summary
    (local,) = local_days(archive.store.root, tmp_path, project.name).values()
    assert local.summary is not None
    assert local.summary.files == len(day.summary.files)


def _fetch_with_what_was_there(archive: Archive, tmp_path: Path) -> DayFolder:
    places = Places(archive.store, ZipStore(tmp_path / "zips"), None, lambda _: None)
    ControlClient(archive.transport.endpoint).settings(now=LONG_AFTER.isoformat())
    fetched = fetch_day(archive.transport, archive.store, archive.project, DAY, now=lambda: LONG_AFTER)
    staged = keep_what_was_there(
        fetched.staged,
        places,
        "superset",
        forgotten_from=LONG_AFTER + timedelta(days=30),
    )
    return archive.store.publish(staged, "superset").day


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "extracted"
    folder.mkdir()
    return folder


def test_a_run_that_names_no_trace_is_kept_with_its_feedback(
    odd: Callable[[dict[str, bytes]], None],
    archive: Archive,
    project: TracedProject,
    langsmith_sandbox: ControlClient,
) -> None:
    run = project.root(NOON)
    assert project.api.post("/feedback", {"run_id": run.id, "key": "score", "score": 1}).ok
    odd({})
    langsmith_sandbox.settings(omitted_fields=["trace_id", "dotted_order"])

    day = archive.fetch()

    assert list(day.summary.unfiled_names()) == [unfiled_file_name(run.id)]
    assert day.summary.counts.runs_started_in_day == day.summary.langsmith_total == 1
    assert [len(trace.feedback) for trace in day.traces()] == [1]
    assert examine_traces(day).unfiled == ((run.id, "it names no trace"),)
    assert examine_day(day).differences == []


def test_an_interrupted_fetch_goes_on_with_runs_that_are_no_json(
    odd: Callable[[dict[str, bytes]], None], archive: Archive, project: TracedProject
) -> None:
    run = project.root(NOON)
    others = {project.root(NOON + timedelta(hours=hours)).id for hours in range(-12, 12)}
    odd({run.id: ODD["no UTF-8"]})

    def interrupt(progress: FetchProgress) -> None:
        if progress.share > 0.9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.fetch(on_progress=interrupt)

    day = archive.fetch()

    assert day.run_ids() == {run.id, *others}
    assert list(day.summary.unfiled_names()) == [unfiled_file_name(run.id)]
    assert examine_day(day).differences == []


def test_a_run_that_is_no_json_and_is_sent_no_more_goes_on_in_its_day(
    odd: Callable[[dict[str, bytes]], None],
    archive: Archive,
    project: TracedProject,
    langsmith_sandbox: ControlClient,
    tmp_path: Path,
) -> None:
    stays, goes = project.root(NOON), project.root(NOON)
    odd({stays.id: ODD["NaN"], goes.id: ODD["NaN"]})
    before = archive.fetch()
    content = (before.path / unfiled_file_name(goes.id)).read_bytes()
    langsmith_sandbox.settings(delete_runs=[goes.id])

    after = [_fetch_with_what_was_there(archive, tmp_path) for _ in range(2)]

    for day in after:
        assert list(day.summary.unfiled_names()) == [unfiled_file_name(stays.id)]
        assert content in [path.read_bytes() for path in day.path.iterdir()]
        assert day.summary.counts.kept_attachments == 1
        assert examine_day(day).differences == []


def test_a_run_that_comes_as_json_again_takes_the_place_of_what_was_none(
    odd: Callable[[dict[str, bytes]], None], archive: Archive, project: TracedProject, tmp_path: Path
) -> None:
    run = project.root(NOON, inputs={"a": 1})
    odd({run.id: ODD["NaN"]})
    archive.fetch()
    odd({})

    day = _fetch_with_what_was_there(archive, tmp_path)

    assert list(day.summary.unfiled_names()) == []
    assert day.summary.counts.kept_attachments == 0
    assert day.run_ids() == {run.id}
    assert examine_day(day).differences == []
