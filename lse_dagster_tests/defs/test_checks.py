"""The checks of the assets: what stops a day, what is a warning, and what each of them says."""

import zipfile
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import msgspec
import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.langsmith.odd_server import running_odd_server
from lse_dagster_tests.worlds.day_archive import (
    ALL_CHECKS,
    DATE,
    NOON,
    DayArchive,
    evaluation,
    materialized,
    verdicts,
)


def add_child(archive: DayArchive, parent: str, start: datetime = NOON + timedelta(seconds=1)) -> str:
    """A run below a root that starts at noon; the root need not exist."""
    child = f"{parent[:-6]}c00001"
    return archive.api.add_run(
        start,
        id=child,
        trace_id=parent,
        parent_run_id=parent,
        dotted_order=f"{NOON:%Y%m%dT%H%M%S%fZ}{parent}.{start:%Y%m%dT%H%M%S%fZ}{child}",
    )


def test_a_hidden_run_fails_the_count_names_the_numbers_and_is_not_zipped(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    runs = archive.api.add_runs(3)
    langsmith_sandbox.settings(hidden_runs=[runs[1]])

    result = archive.materialize()

    assert not result.success
    assert materialized(result) == set()
    assert archive.days.find(archive.project, DATE) is None
    found = archive.latest_evaluation("raw_runs", "run_count_matches_langsmith")
    assert not found.passed
    assert "2 of 3 runs could be fetched, 1 are missing" in (found.description or "")
    assert found.metadata["missing"].value == 1
    assert found.partition == DATE.isoformat()


def test_a_run_added_after_the_fetch_fails_the_count_until_it_is_fetched(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    assert archive.materialize().success
    archive.api.add_run(NOON + timedelta(hours=1))

    late = archive.verify()
    again = archive.materialize()

    found = evaluation(late, "run_count_matches_langsmith")
    assert not found.passed
    assert found.metadata["langsmith_now"].value == 3
    assert not evaluation(late, "trace_count_matches_langsmith").passed
    assert again.success


def test_a_parent_that_langsmith_does_not_have_is_a_warning_and_the_day_travels_on(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    parent = archive.api.add_run(NOON)
    child = add_child(archive, parent)
    langsmith_sandbox.settings(delete_runs=[parent])

    result = archive.materialize()

    assert result.success
    assert materialized(result) == {"raw_runs", "day_zip", "drive_archive"}
    found = evaluation(result, "traces_are_complete")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == f"run {child}: its parent {parent} is missing"
    assert found.metadata["missing_parents"].value == 1


def test_runs_that_were_deleted_while_the_day_was_fetched_keep_it_from_nothing(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    archive.api.add_runs(3)
    langsmith_sandbox.fault(path="/runs/stats$", status=200, body={"run_count": 2}, times=100)

    result = archive.materialize()
    again = archive.materialize()

    assert result.success
    assert again.success
    assert materialized(result) == {"raw_runs", "day_zip", "drive_archive"}
    found = evaluation(result, "run_count_matches_langsmith")
    assert found.passed
    assert "LangSmith counted 2 after they were fetched: 1 were deleted there" in (found.description or "")
    assert verdicts(result)["trace_count_matches_langsmith"]


def test_a_root_count_that_differs_alone_is_a_warning_and_the_day_travels_on(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    archive.api.add_runs(3)
    langsmith_sandbox.fault(path="/runs/stats$", skip=1, status=200, body={"run_count": 7})

    result = archive.materialize()

    assert result.success
    assert materialized(result) == {"raw_runs", "day_zip", "drive_archive"}
    found = evaluation(result, "trace_count_matches_langsmith")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "3 runs say that they are roots, and LangSmith counts 7" in (found.description or "")


def test_a_run_that_contradicts_its_dotted_order_is_a_warning(archive: DayArchive) -> None:
    other = "0198f31f-bc00-7e30-9deb-7cd53241433d"
    archive.api.add_run(NOON, dotted_order=f"{NOON:%Y%m%dT%H%M%S%fZ}{other}")

    result = archive.materialize(["raw_runs"])

    found = evaluation(result, "traces_are_complete")
    assert not found.passed
    assert other in (found.description or "")


def test_an_unfinished_run_is_a_warning_and_travels_on(archive: DayArchive) -> None:
    archive.api.add_run(NOON, end_time=None)

    result = archive.materialize()

    found = evaluation(result, "no_pending_runs")
    assert result.success
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["pending_runs"].value == 1


def test_an_attachment_that_cannot_be_had_is_a_warning_and_travels_on(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    attach_a_photo(archive)
    langsmith_sandbox.fault(path="/_blobs/", status=403, times=1000)

    result = archive.materialize()

    found = evaluation(result, "attachments_are_complete")
    assert result.success
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["missing"].value == 1
    assert "'photo' of run" in (found.description or "")
    assert "403" in (found.description or "")


def attach_a_photo(archive: DayArchive) -> None:
    run_id = archive.api.add_run(NOON)
    part = f'Content-Disposition: form-data; name="attachment.{run_id}.photo"\r\nContent-Length: 3\r\n\r\nabc'
    answer = archive.api.session.post(
        f"{archive.api.url}/runs/multipart",
        data=f"--b\r\n{part}\r\n--b--\r\n".encode(),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert answer.ok


@pytest.mark.parametrize("listed", [False, True])
def test_an_attachment_on_another_host_is_kept_if_the_host_is_listed(
    listed: bool, archive: DayArchive, langsmith_sandbox: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach_a_photo(archive)
    with running_odd_server() as store:
        store.script = lambda question: question.answer(200, b"abc")
        elsewhere = f"http://localhost:{store.url.rpartition(':')[2]}/photo"
        langsmith_sandbox.fault(path="/_blobs/", status=307, headers={"Location": elsewhere}, times=1000)
        if listed:
            monkeypatch.setenv("LSE_ATTACHMENT_HOSTS", "localhost")

        result = archive.materialize(["raw_runs"])

        found = evaluation(result, "attachments_are_complete")
        assert result.success
        assert found.passed == listed
        assert ("LSE_ATTACHMENT_HOSTS" in (found.description or "")) is not listed
        assert len(store.asked) == listed


@pytest.mark.parametrize(("days_ago", "proved"), [(1, True), (13, True), (15, False), (40, False)])
def test_only_when_a_day_was_fetched_proves_that_it_was_whole_whatever_outlived_it(
    days_ago: int,
    proved: bool,
    archive: DayArchive,
    langsmith_sandbox: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LSE_RETENTION_DAYS", "14")
    noon = datetime.now(UTC).replace(hour=12) - timedelta(days=days_ago)
    lifted, *others = [archive.api.add_run(noon + timedelta(minutes=number)) for number in range(5)]
    give_feedback(archive, lifted)
    langsmith_sandbox.settings(delete_runs=others)

    result = archive.materialize(["raw_runs"], day=noon.date())

    found = evaluation(result, "langsmith_still_had_the_day")
    asked = archive.days.load(archive.project, noon.date()).summary.asked
    words = "Proved by when it was fetched" if proved else "Nothing proves the day whole"
    assert (found.passed, found.severity) == (proved, dg.AssetCheckSeverity.WARN)
    assert (found.description or "").startswith(words)
    assert asked is not None
    assert (asked.proves_whole, asked.retention_days) == (proved, 14)


def give_feedback(archive: DayArchive, run_id: str, **fields: object) -> str:
    answer = archive.api.post("/feedback", {"run_id": run_id, "key": "score", "score": 1, **fields})
    assert answer.ok, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize("v2", [True, False], ids=["v2", "v1"])
def test_feedback_that_runs_speak_of_and_no_list_has_is_a_warning_until_it_is_fetched(
    v2: bool, archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run_id = archive.api.add_run(NOON)
    child = add_child(archive, run_id, NOON + timedelta(hours=12, minutes=30))  # after midnight
    for run, count in ((run_id, 3), (child, 1)):
        for _ in range(count):
            give_feedback(archive, run)
    langsmith_sandbox.settings(v2=v2, hide_feedback=True)

    result = archive.materialize()
    summary = archive.days.load(archive.project, DATE).summary
    langsmith_sandbox.settings(hide_feedback=False)
    again = archive.materialize()

    found = evaluation(result, "feedback_is_complete")
    assert result.success
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert f"run {run_id}: 0 of 3 records" in (found.description or "")
    assert f"run {child}: 0 of 1 records" in (found.description or "")
    assert (found.metadata["feedback_said"].value, found.metadata["missing"].value) == (4, 4)
    assert {short.run_id: short.lacking for short in summary.short_feedback} == {run_id: 3, child: 1}
    mended = evaluation(again, "feedback_is_complete")
    assert mended.passed
    assert mended.description == "All the feedback that runs speak of is there: 4 records."
    assert archive.days.load(archive.project, DATE).summary.short_feedback == []


@pytest.mark.parametrize("odd", ["deleted between pages", "another order each time"])
def test_feedback_whose_list_changes_while_it_is_read_is_all_there(
    odd: str, archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run_id = archive.api.add_run(NOON)
    given = [give_feedback(archive, run_id) for _ in range(101)]
    if odd == "deleted between pages":
        langsmith_sandbox.settings(delete_feedback=[given[-1], given[-2]])
    else:
        langsmith_sandbox.settings(shuffle_feedback=True)

    result = archive.materialize(["raw_runs"])

    assert evaluation(result, "feedback_is_complete").passed
    assert archive.days.load(archive.project, DATE).summary.counts.feedback == 101


@pytest.mark.parametrize("by_project", [True, False], ids=["numbers of the project", "numbers of all"])
def test_feedback_of_another_project_is_neither_kept_nor_missed(
    by_project: bool, archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run_id = archive.api.add_run(NOON)
    own = give_feedback(archive, run_id)
    give_feedback(archive, run_id, session_id="49037901-6b38-4915-b7dc-318b42ec8a72")
    langsmith_sandbox.settings(numbers_by_project=by_project)

    result = archive.materialize(["raw_runs"])

    (trace,) = archive.days.load(archive.project, DATE).traces()
    assert [msgspec.json.decode(record)["id"] for record in trace.feedback] == [own]
    assert evaluation(result, "feedback_is_complete").passed


def test_feedback_is_counted_in_the_files_and_not_in_the_summary(archive: DayArchive) -> None:
    run_id = archive.api.add_run(NOON)
    give_feedback(archive, run_id)
    archive.materialize(["raw_runs"])
    path = next(archive.days.day_path(archive.project, DATE).glob("*Z.json"))
    head, _, _ = path.read_bytes().partition(b'"feedback":[')
    path.write_bytes(head + b'"feedback":[\n]}\n')

    assert not evaluation(archive.verify(), "feedback_is_complete").passed


def test_both_days_of_a_trace_across_midnight_are_green(archive: DayArchive) -> None:
    late = datetime(2025, 8, 29, 23, 59, 59, 999999, tzinfo=UTC)
    root = archive.api.add_run(late)
    child = f"{root[:-6]}c00001"
    start = datetime(2025, 8, 30, tzinfo=UTC)
    archive.api.add_run(
        start,
        id=child,
        trace_id=root,
        parent_run_id=root,
        dotted_order=f"{late:%Y%m%dT%H%M%S%fZ}{root}.{start:%Y%m%dT%H%M%S%fZ}{child}",
    )

    results = [archive.materialize(day=day) for day in (DATE, date(2025, 8, 30))]

    assert [verdicts(result) for result in results] == [dict.fromkeys(ALL_CHECKS, True)] * 2
    assert archive.days.load(archive.project, DATE).run_ids() == {root, child}


@pytest.mark.parametrize("position", [0.1, 0.5, 0.99])
def test_a_zip_changed_on_disk_fails_its_check(position: float, archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    path = archive.zips.zip_path(archive.project, DATE)
    data = bytearray(path.read_bytes())
    at = int(len(data) * position)
    data[at : at + 8] = bytes(byte ^ 0x55 for byte in data[at : at + 8])
    path.write_bytes(data)

    found = evaluation(archive.verify(), "zip_matches_day")

    assert not found.passed


def test_what_a_file_manager_put_into_a_zip_is_left_out_and_named(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    with zipfile.ZipFile(archive.zips.zip_path(archive.project, DATE), "a") as zipped:
        for name in ("__MACOSX/._one", "__MACOSX/._two", "__MACOSX/._three", ".DS_Store"):
            zipped.writestr(name, b"Finder's")

    found = evaluation(archive.verify(), "zip_matches_day")

    assert found.passed
    assert "All 3 members match. Left out" in (found.description or "")
    assert "'__MACOSX/._one', '__MACOSX/._two', '__MACOSX/._three' and 1 more" in (found.description or "")


def test_a_copy_that_drive_lost_or_changed_fails_its_check(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    path = archive.zips.zip_path(archive.project, DATE)
    path.write_bytes(path.read_bytes() + b" ")

    found = evaluation(archive.verify(), "drive_copy_matches_zip")

    assert not found.passed
    assert "is not what was proved" in (found.description or "")


def test_checks_run_without_a_partition_look_at_every_local_day(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.api.add_run(NOON + timedelta(days=1))
    archive.materialize()
    archive.materialize(day=date(2025, 8, 30))
    archive.api.add_run(NOON + timedelta(days=1, hours=1))

    result = archive.verify(day=None)

    found = {
        (check.check_name, check.partition): check.passed for check in result.get_asset_check_evaluations()
    }
    days = {DATE.isoformat(), "2025-08-30"}
    assert set(found) == {(check, day) for check in ALL_CHECKS for day in days}
    assert [key for key, passed in found.items() if not passed] == [
        ("run_count_matches_langsmith", "2025-08-30"),
        ("trace_count_matches_langsmith", "2025-08-30"),
    ]
