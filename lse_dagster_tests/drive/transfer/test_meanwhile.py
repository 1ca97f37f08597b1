"""Somebody works in the folder while a file is uploaded: no success is told that nobody would find."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import FileMoved, FileReplaced
from lse_dagster.drive.file import DriveFile
from lse_dagster_tests.drive.conftest import Person, anything, nothing, some_bytes

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
    old = drive.upload(local(b"old"), folder=folder, name="a.zip", may_replace=nothing).file
    other = person.make_folder(f"{folder} elsewhere", root_id)
    path = local(some_bytes(3 * 1024 * 1024))
    changed: list[int] = []

    def once(done: int, in_all: int) -> None:
        if not changed:
            changed.append(done)
            change(person, old.id, other)

    with pytest.raises(FileMoved, match="renamed or moved") as caught:
        drive.upload(path, folder=folder, name="a.zip", may_replace=anything, on_progress=once)

    assert caught.value.transient
    again = drive.upload(path, folder=folder, name="a.zip", may_replace=nothing)
    assert again.action == "created"
    assert drive.find(folder, "a.zip") == again.file
    assert person.content(again.file.id) == path.read_bytes()


def test_another_writers_content_that_was_replaced_unseen_is_named(
    drive: DriveArchive, person: Person, folder: str, local: Callable[[bytes], Path]
) -> None:
    old = drive.upload(local(b"old"), folder=folder, name="a.zip", may_replace=nothing).file
    path = local(b"ours")
    theirs: list[str] = []

    def replace(existing: DriveFile) -> None:
        person.replace(old.id, b"theirs")
        theirs.append(person.get(old.id)["headRevisionId"])

    with pytest.raises(FileReplaced) as caught:
        drive.upload(path, folder=folder, name="a.zip", may_replace=replace)

    assert theirs[0] in caught.value.why
    assert old.head_revision_id not in caught.value.why
    assert person.content(old.id) == b"ours"
    assert drive.upload(path, folder=folder, name="a.zip", may_replace=nothing).action == "unchanged"
