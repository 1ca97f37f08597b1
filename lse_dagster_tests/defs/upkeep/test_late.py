"""What comes after the nightly fetch: runs, their ends, feedback, the tail after midnight, files."""

from datetime import timedelta

import dagster as dg
import pytest

from lse_dagster.day.run_names import attachment_file_name
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.webhook_receiver import Receiver

FEEDBACK = "0f3c2d1e-0000-4000-8000-000000000001"
ATTACHMENTS = ("raw_runs", "attachments_are_complete")


def told_of_the_first_day(place: Place, receiver: Receiver) -> list[str]:
    """All messages about it, once all that waits was sent, a few at a time."""
    before = -1
    while len(receiver.texts) != before:
        before = len(receiver.texts)
        place.daemon.tick()
    return [text for text in receiver.texts if ", 2025-08-01\n" in text]


def comes_later(place: Place, root: str, what: str) -> None:
    """Something that happens to a root run of the first day's noon."""
    match what:
        case "feedback":
            place.give_feedback(root)
        case "an error":
            place.patch(root, error="It broke.", end_time=at(1, 12).isoformat())
        case "a run":
            place.add_child(root, at(1, 12), at(1, 13))
        case "a run after midnight":
            place.add_child(root, at(1, 12), at(2, 9))
        case "outputs":
            place.patch(root, outputs={"answer": "late"}, end_time=at(1, 12).isoformat())


def is_there(place: Place, root: str, what: str) -> bool:
    """Whether that is in the copy on Drive."""
    counts = place.on_drive().summary.counts
    traces = place.daemon.days.load(place.api.project, DAY).traces()
    raws = [bytes(raw) for trace in traces for raw in trace.runs]
    match what:
        case "feedback":
            return counts.feedback == 1
        case "a run":
            return counts.runs_started_in_day == 2
        case "a run after midnight":
            return counts.tail_runs == 1
    return any(b"It broke." in raw or b"late" in raw for raw in raws)


@pytest.mark.parametrize("what", ["feedback", "an error", "a run", "a run after midnight", "outputs"])
def test_what_comes_after_the_nightly_fetch_is_archived_once_all_must_have_arrived(
    place: Place, what: str
) -> None:
    root = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))
    comes_later(place, root, what)

    place.skip_to(at(3))

    assert place.steps(DAY) == ["fetch"]
    assert is_there(place, root, what)


@pytest.mark.parametrize("what", ["feedback", "an error", "a run", "a run after midnight"])
def test_what_comes_later_still_is_noticed_by_the_count_and_fetched(place: Place, what: str) -> None:
    place.count_soon()
    root = place.api.add_run(at(1, 12))
    place.skip_to(at(4))
    comes_later(place, root, what)

    place.skip_to(at(5))
    place.look_often(hours=1)

    assert place.steps(DAY) == ["fetch", "count", "fetch"]
    assert is_there(place, root, what)


def test_feedback_that_no_list_had_when_the_day_was_fetched_is_noticed_by_the_count(place: Place) -> None:
    place.count_soon()
    root = place.api.add_run(at(1, 12))
    place.give_feedback(root)
    place.langsmith.settings(hide_feedback=True)
    place.skip_to(at(4))
    place.langsmith.settings(hide_feedback=False)

    place.skip_to(at(5))
    place.look_often(hours=1)

    assert place.steps(DAY) == ["fetch", "count", "fetch"]
    assert is_there(place, root, "feedback")


def test_a_day_that_was_counted_is_compared_in_its_zip_when_its_folder_is_gone(place: Place) -> None:
    place.count_soon()
    root = place.api.add_run(at(1, 12))
    place.skip_to(at(4))
    comes_later(place, root, "feedback")
    folder = place.daemon.days.day_path(place.api.project, DAY)
    folder.rename(folder.with_name("elsewhere"))

    place.skip_to(at(5))
    place.look_often(hours=1)

    assert place.steps(DAY) == ["fetch", "count", "fetch"]
    assert is_there(place, root, "feedback")


def test_a_day_of_which_langsmith_has_less_by_now_keeps_the_rest_and_needs_nobody(
    place: Place, receiver: Receiver
) -> None:
    kept, deleted = place.api.add_run(at(1, 12)), place.api.add_run(at(1, 13))
    place.daemon.run_until(at(2, 12))
    place.langsmith.settings(delete_runs=[deleted])

    place.skip_to(at(3))
    place.daemon.run_until(at(5, 12))

    assert place.steps(DAY) == ["fetch"]
    assert told_of_the_first_day(place, receiver) == []
    assert place.on_drive().run_ids() == {kept}
    assert place.on_drive().summary.counts.kept_runs == 1


def test_feedback_that_somebody_takes_away_is_kept(place: Place, receiver: Receiver) -> None:
    place.give_feedback(place.api.add_run(at(1, 12)), id=FEEDBACK)
    place.daemon.run_until(at(2, 12))
    place.give_feedback(place.api.add_run(at(20)), id=FEEDBACK)  # it is that run's now

    place.skip_to(at(3))
    place.daemon.run_until(at(5, 12))

    assert place.steps(DAY) == ["fetch"]
    assert told_of_the_first_day(place, receiver) == []
    counts = place.on_drive().summary.counts
    assert (counts.feedback, counts.kept_feedback) == (0, 1)


def test_a_fetch_that_is_due_is_tried_until_langsmith_gives_the_day(place: Place) -> None:
    root = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))
    comes_later(place, root, "outputs")
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)

    place.skip_to(at(3))
    place.look_often(hours=3)
    place.langsmith.clear_faults()
    place.look_often(hours=4)

    assert place.steps(DAY) == ["fetch", "fetch"]
    assert is_there(place, root, "outputs")


@pytest.mark.parametrize("attached", [(), ("a.png", "b.txt")], ids=["runs", "runs with attachments"])
def test_a_day_that_comes_the_same_when_it_is_due_is_neither_zipped_nor_sent_again(
    attached: tuple[str, ...], place: Place
) -> None:
    root = place.api.add_run(at(1, 12))
    for name in attached:
        place.attach(root, name, name)
    place.daemon.run_until(at(2, 12))
    files = place.daemon.days.load(place.api.project, DAY), place.on_drive().sha256()

    place.skip_to(at(3))
    place.look_often(hours=30)

    assert place.steps(DAY) == ["fetch"]
    sent = [entry.path for entry in place.drive.requests() if entry.method == "PATCH"]
    assert [path for path in sent if path.startswith("/upload/")] == []
    assert (place.daemon.days.load(place.api.project, DAY), place.on_drive().sha256()) == files
    assert files[0].summary.counts.attachments == len(attached)
    day = place.daemon.runs("2025-08-01/fetch")[-1]
    assert day.status is dg.DagsterRunStatus.SUCCESS


def test_a_copy_that_could_not_be_replaced_is_uploaded_later_though_nothing_new_came(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))

    place.drive.fault(path="/drive/", status=403, times=100_000)
    place.skip_to(at(3))
    place.drive.clear_faults()
    place.look_often(hours=1)

    assert place.steps(DAY) == ["fetch", "upload"]
    assert place.on_drive().sha256() == place.daemon.zips.load(place.api.project, DAY).sha256()


def test_attachments_whose_store_was_down_at_night_are_fetched_when_the_day_is_due(
    place: Place, receiver: Receiver
) -> None:
    root = place.api.add_run(at(1, 12))
    place.attach(root, "a.png", "pixels")
    place.langsmith.fault(path="/_blobs/", status=404, times=100_000)
    place.skip_to(at(4))  # so late that nothing else is a reason to fetch it again
    place.langsmith.clear_faults()
    before = place.on_drive().summary

    place.skip_to(at(13))
    place.look_often(hours=3)

    assert [one.name for one in before.missing_attachments] == ["a.png"]
    assert place.steps(DAY) == ["fetch", "fetch"]
    after = place.on_drive().summary
    assert (list(after.attachment_names()), after.missing_attachments) == (
        [attachment_file_name(root, "attachment", "a.png")],
        [],
    )
    assert told_of_the_first_day(place, receiver) == []


def test_attachments_that_stay_missing_are_told_once_before_langsmith_deletes_them(
    place: Place, receiver: Receiver
) -> None:
    root = place.api.add_run(at(1, 12))
    place.attach(root, "a.png", "pixels")
    place.langsmith.fault(path="/_blobs/", status=404, times=100_000)
    place.daemon.run_until(at(2, 12))
    place.skip_to(at(3))
    place.skip_to(at(12, 12))
    early = told_of_the_first_day(place, receiver)

    place.skip_to(at(13))
    place.daemon.run_until(at(16, 12), every=timedelta(hours=12))

    assert early == []
    assert place.steps(DAY) == ["fetch", "fetch", "lacks attachments"]
    (told,) = told_of_the_first_day(place, receiver)
    assert "The check `attachments_are_complete` of `raw_runs` failed" in told
    assert "LangSmith deletes them from 2025-08-15 00:00 UTC on" in told
    assert f"'a.png' of run {root}" in told
    assert f"lse archive --date 2025-08-01 --project {place.api.project}" in told
    newest = place.failed_checks(*ATTACHMENTS)[0]
    assert newest.severity is dg.AssetCheckSeverity.ERROR


def test_a_count_that_could_not_be_asked_for_is_no_reason_to_fetch_the_day(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.skip_to(at(3))
    place.langsmith.fault(path="/runs/stats$", status=422, times=10)

    place.daemon.execute("verify", tags={"dagster/partition": DAY.isoformat()})
    place.look_often(hours=8)

    assert place.failed_checks("raw_runs", "run_count_matches_langsmith")
    assert place.steps(DAY) == ["fetch"]
