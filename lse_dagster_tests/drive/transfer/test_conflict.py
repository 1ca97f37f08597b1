"""Somebody works in the folder while a file is uploaded: no success is told that nobody would find."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import FileMoved, FileReplaced
from lse_dagster_tests.drive.conftest import Person, put, some_bytes

Change = Callable[[Person, str, str], None]


def rename(person: Person, file_id: str, other: str) -> None:
    person.files.update(fileId=file_id, body={"name": "b.zip"}, supportsAllDrives=True).execute()


def move(person: Person, file_id: str, other: str) -> None:
    (parent,) = person.get(file_id)["parents"]
    person.files.update(
        fileId=file_id, addParents=other, removeParents=parent, supportsAllDrives=True
    ).execute()


@pytest.mark.parametrize("change", [rename, move])
def test_a_file_that_is_renamed_or_moved_while_it_is_replaced_is_an_error_and_made_anew(
    drive: DriveArchive,
    person: Person,
    root_id: str,
    folder: str,
    local: Callable[[bytes], Path],
    change: Change,
) -> None:
    old = drive.upload(local(b"old"), folder=folder, name="a.zip").file
    other = person.make_folder(f"{folder} elsewhere", root_id)
    path = local(some_bytes(3 * 1024 * 1024))
    changed: list[int] = []

    def once(done: int, in_all: int) -> None:
        if not changed:
            changed.append(done)
            change(person, old.id, other)

    with pytest.raises(FileMoved, match="renamed or moved") as caught:
        put(drive, path, folder=folder, name="a.zip", on_progress=once)

    assert caught.value.transient
    again = drive.upload(path, folder=folder, name="a.zip")
    assert again.action == "created"
    assert drive.find(folder, "a.zip") == again.file
    assert person.content(again.file.id) == path.read_bytes()


def test_another_writers_content_that_was_replaced_unseen_is_named(
    drive: DriveArchive, person: Person, folder: str, local: Callable[[bytes], Path]
) -> None:
    old = drive.upload(local(b"old"), folder=folder, name="a.zip").file
    path = local(some_bytes(3 * 1024 * 1024))
    theirs: list[str] = []

    def replace(done: int, in_all: int) -> None:
        if not theirs:
            person.replace(old.id, b"theirs")
            theirs.append(person.get(old.id)["headRevisionId"])

    with pytest.raises(FileReplaced) as caught:
        put(drive, path, folder=folder, name="a.zip", on_progress=replace)

    assert theirs[0] in caught.value.why
    assert old.head_revision_id not in caught.value.why
    assert person.content(old.id) == path.read_bytes()
    assert drive.upload(path, folder=folder, name="a.zip").action == "unchanged"


@pytest.mark.parametrize("before", [None, b"old"])
def test_what_came_there_after_it_was_decided_what_to_replace_is_left_alone(
    drive: DriveArchive, person: Person, folder: str, local: Callable[[bytes], Path], before: bytes | None
) -> None:
    if before is not None:
        drive.upload(local(before), folder=folder, name="a.zip")
    decided_on = drive.find(folder, "a.zip")
    if decided_on is None:
        theirs = drive.upload(local(b"theirs"), folder=folder, name="a.zip").file.id
    else:
        theirs = decided_on.id
        person.replace(theirs, b"theirs")

    with pytest.raises(FileReplaced, match=theirs):
        drive.upload(local(b"ours"), folder=folder, name="a.zip", replacing=decided_on)

    assert person.content(theirs) == b"theirs"
    assert [file.id for file in drive.list(folder)] == [theirs]


def test_a_copy_that_was_mended_after_it_could_not_be_read_keeps_its_name(
    drive: DriveArchive, person: Person, folder: str, local: Callable[[bytes], Path]
) -> None:
    unreadable = drive.upload(local(b"cut off"), folder=folder, name="a.zip").file
    person.replace(unreadable.id, b"whole")

    with pytest.raises(FileReplaced, match=unreadable.id):
        drive.set_aside(unreadable)

    assert [(file.id, file.name) for file in drive.list(folder)] == [(unreadable.id, "a.zip")]
