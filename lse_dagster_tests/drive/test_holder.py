"""One machine archives to a project's folder: it says so there, and another one is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import HeldByAnother
from lse_dagster.drive.holder import SILENT, Holder
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.this_machine import ThisMachine
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person

NOON = datetime(2025, 8, 29, 12, tzinfo=UTC)
Connect = Callable[[str], DriveArchive]

holders = st.builds(
    Holder,
    st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9._-]{1,60}", fullmatch=True),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
        lambda moment: moment.replace(second=0, microsecond=0)
    ),
    st.just("") | st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
)


@given(st.text(), holders, holders)
def test_what_people_wrote_about_a_folder_stays_and_the_last_machine_is_named_once(
    text: str, first: Holder, last: Holder
) -> None:
    described = last.into_description(first.into_description(text))

    assert Holder.in_description(described) == last
    assert described.count("Archived by ") == 1
    assert described.startswith(text.rstrip("\n"))


def test_a_time_that_cannot_be_names_nobody() -> None:
    assert Holder.in_description(f"Archived by x (machine {'a' * 16}, seen 2025-13-77 99:99 UTC).") is None


@pytest.fixture
def connect(settings: DriveSettings, tmp_path: Path) -> Connect:
    """The Drive as a machine sees it that keeps its id in files of these names."""

    def as_machine(*names: str) -> DriveArchive:
        files = tuple(tmp_path / name / ".machine" for name in names)
        return DriveArchive.connect(replace(settings, machine_files=files))

    return as_machine


@pytest.fixture
def held(connect: Connect, folder: str, local: Callable[[bytes], Path], drive_sandbox: ControlClient) -> str:
    """A folder with a file, to which the first machine archived last at noon."""
    drive_sandbox.settings(now=NOON.isoformat())
    with connect("first") as drive:
        drive.upload(local(b"1"), folder=folder, name="a.zip")
        assert drive.hold(folder)[1] is None
    return folder


@pytest.mark.parametrize("who", [("first",), ("new disk", "first"), ("second",), ()])
@pytest.mark.parametrize("later", [timedelta(0), SILENT - timedelta(minutes=1), SILENT, timedelta(days=400)])
def test_another_machine_may_read_and_writes_only_once_the_first_was_silent_for_two_days(
    who: tuple[str, ...],
    later: timedelta,
    connect: Connect,
    held: str,
    local: Callable[[bytes], Path],
    drive_sandbox: ControlClient,
) -> None:
    drive_sandbox.settings(now=(NOON + later).isoformat())
    refused = who == ("second",) and later < SILENT
    outcome = pytest.raises(HeldByAnother, match="seen there last on 2025-08-29 12:00 UTC")

    with connect(*who) as drive:
        with outcome if refused else nullcontext():
            drive.expect_ours(held)
        with outcome if refused else nullcontext():
            drive.upload(local(b"2"), folder=held, name="b.zip")
        assert drive.find(held, "a.zip") is not None
        assert {file.name for file in drive.list(held)} == {"a.zip"} | (set() if refused else {"b.zip"})


def test_a_machine_that_takes_over_is_told_who_was_there_and_refuses_the_old_one(
    connect: Connect, held: str, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(now=(NOON + SILENT).isoformat())

    with connect("second") as drive:
        files, gone = drive.hold(held)
        again = drive.hold(held)[1]

    assert [file.name for file in files] == ["a.zip"]
    assert (gone.seen if gone is not None else None, again) == (NOON, None)
    with connect("first") as drive, pytest.raises(HeldByAnother):
        drive.hold(held)


def test_a_machine_says_that_it_is_there_every_six_hours_and_needs_one_request_for_it(
    connect: Connect, held: str, drive_sandbox: ControlClient
) -> None:
    before = len(drive_sandbox.requests())
    for hours in range(13):
        drive_sandbox.settings(now=(NOON + timedelta(hours=hours)).isoformat())
        with connect("first") as drive:
            drive.hold(held)

    asked = drive_sandbox.requests()[before:]
    assert len([entry for entry in asked if entry.method == "PATCH"]) == 2


def test_two_machines_that_begin_at_once_leave_one_of_them(
    connect: Connect, folder: str, local: Callable[[bytes], Path]
) -> None:
    with connect("first") as first, connect("second") as second:
        first.upload(local(b"1"), folder=folder, name="a.zip")
        second.upload(local(b"1"), folder=folder, name="a.zip")
        second.hold(folder)

        with pytest.raises(HeldByAnother):
            first.hold(folder)
        second.hold(folder)


def test_a_line_that_somebody_takes_out_lets_another_machine_begin(
    connect: Connect, held: str, person: Person, root_id: str
) -> None:
    (found,) = person.live_in(root_id, held)

    person.files.update(fileId=found["id"], body={"description": "Ours."}, supportsAllDrives=True).execute()

    with connect("second") as drive:
        assert drive.hold(held)[1] is None
    assert person.get(found["id"])["description"].startswith("Ours.\nArchived by ")


def test_an_account_that_may_not_describe_the_folder_does_without(
    connect: Connect, folder: str, local: Callable[[bytes], Path], drive_sandbox: ControlClient
) -> None:
    with connect("first") as drive:
        drive.upload(local(b"1"), folder=folder, name="a.zip")
        drive_sandbox.fault(method="PATCH", path="/files/", status=403, times=9)

        files, gone = drive.hold(folder)

    assert ([file.name for file in files], gone) == (["a.zip"], None)


def test_a_machine_that_can_keep_its_id_nowhere_does_without(
    settings: DriveSettings, folder: str, local: Callable[[bytes], Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    files = (tmp_path / "file" / ".machine",)
    with DriveArchive.connect(replace(settings, machine_files=files)) as drive:
        drive.upload(local(b"1"), folder=folder, name="a.zip")

        assert drive.hold(folder)[1] is None


@pytest.mark.parametrize("spoilt", [b"", b"\0" * 16, b"\xff\xfe", b"0123456789abcdeX"])
def test_a_machine_whose_ids_a_power_cut_has_spoilt_has_one_again_and_keeps_it(
    spoilt: bytes, tmp_path: Path
) -> None:
    files = (tmp_path / "data" / ".machine", tmp_path / "home" / ".machine")
    for file in files:
        file.parent.mkdir()
        file.write_bytes(spoilt)

    known = ThisMachine(files).id("a" * 16)

    assert known == "a" * 16
    assert [file.read_text() for file in files] == [known] * 2
    assert [len(list(file.parent.iterdir())) for file in files] == [1, 1]
    assert ThisMachine(files[1:]).is_called(known)


@pytest.mark.parametrize("spoilt", [None, b""])
def test_sensors_that_begin_at_once_make_one_machine(spoilt: bytes | None, tmp_path: Path) -> None:
    files = (tmp_path / "data" / ".machine", tmp_path / "home" / ".machine")
    for file in files if spoilt is not None else ():
        file.parent.mkdir()
        file.write_bytes(spoilt or b"")
    with ThreadPoolExecutor(16) as threads:
        began = [threads.submit(ThisMachine(files).id) for _ in range(64)]

    assert {one.result() for one in began} == {file.read_text() for file in files}
    assert files[0].read_text() == files[1].read_text()


def test_a_folder_in_the_place_of_a_machines_id_is_no_id(tmp_path: Path) -> None:
    (tmp_path / ".machine").mkdir()

    with pytest.raises(OSError):
        ThisMachine((tmp_path / ".machine",)).id()


@pytest.mark.parametrize("status", [400, 403])
def test_a_folder_that_cannot_be_described_is_archived_to_all_the_same(
    status: int, connect: Connect, held: str, drive_sandbox: ControlClient
) -> None:
    """Somebody has filled the description up to its limit, or Drive has a new reason."""
    drive_sandbox.settings(now=(NOON + timedelta(hours=7)).isoformat())
    drive_sandbox.fault(method="PATCH", path="/files/", status=status, times=99)

    with connect("first") as drive:
        files, gone = drive.hold(held)

    assert ([file.name for file in files], gone) == (["a.zip"], None)


@dataclass(frozen=True, kw_only=True)
class Booted(DriveSettings):
    """Those of a machine that runs under this boot."""

    boot: str = ""

    @property
    def machine(self) -> ThisMachine:
        return ThisMachine(self.machine_files, self.boot)


@pytest.fixture
def look(
    settings: DriveSettings, tmp_path: Path, held: str, drive_sandbox: ControlClient
) -> Callable[[str, float], bool]:
    """Whether a copy of the first machine's disks that runs under a boot may archive, hours after noon."""

    def at(boot: str, hours: float) -> bool:
        drive_sandbox.settings(now=(NOON + timedelta(hours=hours)).isoformat())
        given = {field.name: getattr(settings, field.name) for field in fields(settings)}
        given["machine_files"] = (tmp_path / "first" / ".machine",)
        with DriveArchive.connect(Booted(**given, boot=boot)) as drive:
            try:
                drive.hold(held)
            except HeldByAnother as error:
                assert "one of them is a copy of the other" in error.why
                return False
        return True

    return at


def test_of_a_machine_and_its_living_copy_one_goes_on_and_the_other_is_refused_while_that_lives(
    look: Callable[[str, float], bool],
) -> None:
    began = [look("aaaaaaaa", 1), look("bbbbbbbb", 1.1)]
    renewed = [look("bbbbbbbb", 6.1), look("aaaaaaaa", 6.2), look("bbbbbbbb", 6.3), look("aaaaaaaa", 12)]
    again = [look("bbbbbbbb", 12.2), look("aaaaaaaa", 12.3)]
    alone = [look("aaaaaaaa", 19), look("aaaaaaaa", 19.5), look("aaaaaaaa", 26)]

    assert (began, renewed, again) == ([True] * 2, [True, False, True, False], [True, False])
    assert alone == [False, True, True]


def test_a_machine_that_was_restored_restarted_or_put_on_another_host_goes_on_at_once(
    look: Callable[[str, float], bool],
) -> None:
    boots = [f"{number:08x}" for number in range(1, 5)]

    assert all(look(boot, 7 * number + hours) for number, boot in enumerate(boots) for hours in (1, 3, 6.5))
