"""Lists that lag behind, ids that are not found yet: what was made is known by its id, twins are settled."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import FileMissing, TwinFiles
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.net.limiter import RateLimiter
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person, Waits, put

Local = Callable[[bytes], Path]
LONG = 50
"""Lists that are behind for longer than any test asks."""


@pytest.fixture
def process(
    settings: DriveSettings, waits: Waits, tmp_path: Path, drive_sandbox: ControlClient
) -> Callable[[], DriveArchive]:
    """Begins another process of the same machine: what it knows of the others lies on the disk."""
    remembering = replace(settings, memory=tmp_path / "memory")

    def begin() -> DriveArchive:
        return DriveArchive.connect(remembering, backoff=waits.backoff(), creations=RateLimiter(None))

    return begin


def test_what_was_made_is_found_in_the_next_process_though_lists_lag(
    process: Callable[[], DriveArchive], drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.settings(list_lag=LONG)
    with process() as first:
        made = first.upload(local(b"content"), folder=folder, name="a.zip").file

    with process() as second:
        assert second.find(folder, "a.zip") == made
        assert list(second.list(folder)) == [made]
        assert second.find(folder, "b.zip") is None


def test_a_list_that_lags_behind_a_checksum_hides_nothing_that_was_made(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    made = drive.upload(local(b"content"), folder=folder, name="a.zip").file
    described = {name: value for name, value in person.get(made.id).items() if "Checksum" not in name}
    drive_sandbox.fault(method="GET", path="/files$", status=200, body={"files": [described]}, times=2)

    assert list(drive.list(folder)) == [made]


def test_what_was_made_is_not_made_again_though_lists_lag(
    process: Callable[[], DriveArchive],
    person: Person,
    root_id: str,
    drive_sandbox: ControlClient,
    folder: str,
    local: Local,
) -> None:
    drive_sandbox.settings(list_lag=LONG)
    with process() as first:
        made = first.upload(local(b"old"), folder=folder, name="a.zip").file

    with process() as second:
        same = second.upload(local(b"old"), folder=folder, name="a.zip")
        other = put(second, local(b"new"), folder=folder, name="a.zip")
        next_day = second.upload(local(b"next"), folder=folder, name="b.zip")

    assert (same.action, other.action, next_day.action) == ("unchanged", "updated", "created")
    assert {same.file.id, other.file.id} == {made.id}
    assert next_day.file.parents == made.parents
    with process() as third:
        found = third.find(folder, "a.zip")
        assert found is not None
        assert found.md5 == other.file.md5


def test_what_a_person_removed_or_renamed_is_not_believed_to_be_there(
    process: Callable[[], DriveArchive], person: Person, folder: str, local: Local
) -> None:
    with process() as first:
        trashed, renamed, deleted = (
            first.upload(local(name.encode()), folder=folder, name=name).file
            for name in ("trashed.zip", "renamed.zip", "deleted.zip")
        )
    person.trash(trashed.id)
    person.files.update(fileId=renamed.id, body={"name": "kept.zip"}, supportsAllDrives=True).execute()
    person.files.delete(fileId=deleted.id, supportsAllDrives=True).execute()

    with process() as second:
        names = ("trashed.zip", "renamed.zip", "deleted.zip")
        assert [second.find(folder, name) for name in names] == [None, None, None]
        assert [file.name for file in second.list(folder)] == ["kept.zip"]


def test_a_folder_that_a_person_removed_is_made_again(
    process: Callable[[], DriveArchive], person: Person, root_id: str, folder: str, local: Local
) -> None:
    with process() as first:
        made = first.upload(local(b"1"), folder=folder, name="1.zip").file
    person.trash(made.parents[0])

    with process() as second:
        again = second.upload(local(b"1"), folder=folder, name="1.zip")

    assert again.action == "created"
    assert [found["id"] for found in person.live_in(root_id, folder)] == list(again.file.parents)


@pytest.mark.parametrize("damage", ["cut", "no directory", "a file in its place"])
def test_a_memory_that_is_damaged_costs_nothing_but_the_hint(
    process: Callable[[], DriveArchive], folder: str, local: Local, tmp_path: Path, damage: str
) -> None:
    memory = tmp_path / "memory"
    if damage == "a file in its place":
        memory.write_bytes(b"")
    with process() as first:
        made = first.upload(local(b"1"), folder=folder, name="1.zip").file
    for path in filter(Path.is_file, memory.rglob("*")):
        path.write_bytes(path.read_bytes()[:10]) if damage == "cut" else path.unlink()

    with process() as second:
        assert second.find(folder, "1.zip") == made
        assert list(second.list(folder)) == [made]


@pytest.mark.parametrize("misses", [1, 2])
def test_what_was_made_a_moment_ago_and_is_not_found_is_asked_for_again(
    process: Callable[[], DriveArchive],
    person: Person,
    root_id: str,
    drive_sandbox: ControlClient,
    waits: Waits,
    folder: str,
    local: Local,
    misses: int,
) -> None:
    drive_sandbox.settings(not_found=misses, list_lag=LONG)

    with process() as first:
        made = first.upload(local(b"old"), folder=folder, name="a.zip")
    with process() as second:
        found = second.find(folder, "a.zip")
        updated = put(second, local(b"new"), folder=folder, name="a.zip")

    assert made.action == "created"
    assert found == made.file
    assert (updated.action, updated.file.id) == ("updated", made.file.id)
    assert waits.seconds
    assert sum(waits.seconds) < 60
    drive_sandbox.clear()
    while not (folders := person.live_in(root_id, folder)):
        pass  # each list brings the hidden ones a step nearer
    assert len(folders) == 1


@pytest.mark.parametrize(
    "request_path", [r"^/drive/v3/files$", r"uploadType=resumable(?!.*upload_id)", r"^/drive/v3/files/1"]
)
def test_what_stays_missing_is_told_after_a_few_seconds(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    waits: Waits,
    folder: str,
    local: Local,
    request_path: str,
) -> None:
    drive.upload(local(b"old"), folder=folder, name="a.zip")
    body = {"error": {"code": 404, "errors": [{"reason": "notFound"}], "message": "File not found: 1AbC."}}
    drive_sandbox.fault(path=request_path, status=404, body=body, times=LONG)
    waits.seconds.clear()

    if request_path.startswith("^/drive/v3/files/"):
        # By its id alone: what was made ten minutes ago, or is not found for seconds, is gone.
        assert drive.find(folder, "a.zip") is None
    else:
        with pytest.raises(FileMissing, match="still there"):
            put(drive, local(b"new"), folder=folder, name="a.zip")

    assert 1 <= sum(waits.seconds) <= 7


@pytest.mark.parametrize("omit_sha256", [False, True])
@pytest.mark.parametrize("in_twin_folders", [False, True])
@pytest.mark.parametrize("twins", [2, 3])
def test_twins_of_the_same_content_are_settled_by_the_next_upload_and_read_as_one_until_then(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    person: Person,
    root_id: str,
    folder: str,
    local: Local,
    twins: int,
    in_twin_folders: bool,
    omit_sha256: bool,
) -> None:
    drive_sandbox.settings(omit_sha256=omit_sha256)
    parents = [person.make_folder(folder, root_id)]
    parents += [
        person.make_folder(folder, root_id) if in_twin_folders else parents[0] for _ in range(1, twins)
    ]
    made = [person.make_file("a.zip", parent, b"content") for parent in parents]

    found = drive.find(folder, "a.zip")
    uploaded = drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert found is not None
    assert found.id == uploaded.file.id
    assert uploaded.action == "unchanged"
    assert set(uploaded.twins_removed) == set(made) - {found.id}
    assert [person.get(one)["trashed"] for one in made] == [one != found.id for one in made]
    assert [person.get(parent)["trashed"] for parent in parents] == [False] * len(parents)


def test_twins_of_the_same_content_are_settled_before_new_content_takes_their_place(
    drive: DriveArchive, person: Person, root_id: str, folder: str, local: Local
) -> None:
    parent = person.make_folder(folder, root_id)
    made = [person.make_file("a.zip", parent, b"old") for _ in range(2)]

    uploaded = put(drive, local(b"new"), folder=folder, name="a.zip")

    assert uploaded.action == "updated"
    assert {uploaded.file.id, *uploaded.twins_removed} == set(made)
    assert [found["id"] for found in person.live_in(parent)] == [uploaded.file.id]


def test_a_twin_that_may_not_be_removed_stays_and_stops_nobody(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, root_id: str, folder: str, local: Local
) -> None:
    parent = person.make_folder(folder, root_id)
    for _ in range(2):
        person.make_file("a.zip", parent, b"content")
    drive_sandbox.settings(service_account_role="writer")

    uploaded = drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert (uploaded.action, uploaded.twins_removed) == ("unchanged", ())
    assert len(person.live_in(parent)) == 2


def test_twins_of_different_content_stay_a_question_and_nothing_is_removed(
    drive: DriveArchive, person: Person, root_id: str, folder: str, local: Local
) -> None:
    parent = person.make_folder(folder, root_id)
    for content in (b"content", b"content", b"other"):
        person.make_file("a.zip", parent, content)

    with pytest.raises(TwinFiles):
        put(drive, local(b"content"), folder=folder, name="a.zip")

    assert len(person.live_in(parent)) == 3
