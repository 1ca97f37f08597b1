"""A kept session that does not fit any more is never gone on with: the upload begins anew and ends right."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person, Waits, some_bytes
from lse_dagster_tests.drive.transfer.stopped import SIZE, Stopped, expect_whole

WEEK = 7 * 24 * 3600


@pytest.fixture
def stopped(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Callable[[bytes], Path]
) -> Stopped:
    started = Stopped(drive, drive_sandbox, folder, local(some_bytes(SIZE)))
    started.stop()
    return started


def touch(stopped: Stopped) -> None:
    os.utime(stopped.path, ns=(0, 0))


def change(stopped: Stopped) -> None:
    stopped.path.write_bytes(some_bytes(SIZE))


def rebuild(stopped: Stopped) -> None:
    fresh = stopped.path.with_name("fresh")
    fresh.write_bytes(stopped.path.read_bytes())
    fresh.replace(stopped.path)


def break_what_is_kept(stopped: Stopped) -> None:
    stopped.session.write_bytes(stopped.session.read_bytes()[:-20])


def empty_what_is_kept(stopped: Stopped) -> None:
    stopped.session.write_bytes(b"")


def keep_something_else(stopped: Stopped) -> None:
    stopped.session.write_bytes(b'{"schema": "another"}')


def keep_it_open_to_others(stopped: Stopped) -> None:
    stopped.session.chmod(0o644)


def point_elsewhere(stopped: Stopped) -> None:
    kept = stopped.kept()
    key = kept["key"]
    assert isinstance(key, dict)
    stopped.session.write_text(json.dumps({**kept, "key": {**key, "endpoint": "http://127.0.0.1:9/"}}))


def let_it_grow_old(stopped: Stopped) -> None:
    kept = stopped.kept()
    stopped.session.write_text(json.dumps({**kept, "began": time.time() - WEEK - 1}))


def begin_it_in_the_future(stopped: Stopped) -> None:
    kept = stopped.kept()
    stopped.session.write_text(json.dumps({**kept, "began": time.time() + WEEK}))


@pytest.mark.parametrize(
    "make_different",
    [
        touch,
        change,
        rebuild,
        break_what_is_kept,
        empty_what_is_kept,
        keep_something_else,
        keep_it_open_to_others,
        point_elsewhere,
        let_it_grow_old,
        begin_it_in_the_future,
    ],
)
def test_anything_that_differs_begins_anew(
    stopped: Stopped, drive: DriveArchive, person: Person, make_different: Callable[[Stopped], None]
) -> None:
    make_different(stopped)

    uploaded = stopped.go_on()

    assert uploaded.bytes_sent == SIZE
    expect_whole(stopped, uploaded, drive, person)


def test_another_name_begins_anew(stopped: Stopped, drive: DriveArchive, person: Person) -> None:
    uploaded = stopped.go_on(name="b.zip")

    assert (uploaded.file.name, uploaded.bytes_sent) == ("b.zip", SIZE)
    expect_whole(stopped, uploaded, drive, person)


def test_another_account_begins_anew(
    stopped: Stopped, oauth_settings: DriveSettings, settings: DriveSettings, waits: Waits
) -> None:
    other = replace(oauth_settings, folder_url=settings.folder_url)

    with DriveArchive.connect(other, backoff=waits.backoff()) as drive:
        assert stopped.go_on(drive=drive).bytes_sent == SIZE


def test_content_that_came_to_drive_meanwhile_is_replaced_anew(
    stopped: Stopped, drive: DriveArchive, person: Person, local: Callable[[bytes], Path]
) -> None:
    drive.upload(local(b"somebody else's"), folder=stopped.folder, name="a.zip")

    uploaded = stopped.go_on()

    assert (uploaded.action, uploaded.bytes_sent) == ("updated", SIZE)
    expect_whole(stopped, uploaded, drive, person)


@pytest.mark.parametrize("status", [404, 410])
def test_a_kept_session_that_drive_forgot_begins_anew(
    stopped: Stopped, drive: DriveArchive, person: Person, drive_sandbox: ControlClient, status: int
) -> None:
    drive_sandbox.settings(kill_sessions=status)

    uploaded = stopped.go_on()

    assert uploaded.bytes_sent == SIZE
    expect_whole(stopped, uploaded, drive, person)
