"""One rule for what lies in a day's place and cannot be read whole, be that a folder, a zip or a copy."""

import shutil
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lse_dagster.day.errors import OverwriteRefused
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.run_names import attachment_file_name
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.run.times import DayInterval
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.places import Places
from lse_dagster.steps.union import keep_what_was_there
from lse_dagster.steps.upload import upload_day
from lse_dagster.steps.zip import make_zip, zip_day
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.drive import connect
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, stage

ONE, TWO = root(at("10:00:00")), root(at("11:00:00"))
NOTE = attachment_file_name(ONE.id, "attachment", "note.txt")


def _without_a_summary(day: DayFolder) -> None:
    day.summary_path.unlink()


def _with_half_a_summary(day: DayFolder) -> None:
    day.summary_path.write_bytes(day.summary_path.read_bytes()[:-90])


def _of_another_date(day: DayFolder) -> None:
    day.summary_path.write_text(day.summary_path.read_text().replace("2025-08-29", "2025-08-28"))


def _with_another_trace(day: DayFolder) -> None:
    path = day.path / next(day.summary.trace_names())
    path.write_bytes(path.read_bytes().replace(b"a run", b"a RUN"))


def _without_a_file(day: DayFolder) -> None:
    (day.path / NOTE).unlink()


Damage = Callable[[DayFolder], None]
damages = pytest.mark.parametrize(
    "damage",
    [_without_a_summary, _with_half_a_summary, _of_another_date, _with_another_trace, _without_a_file],
    ids=lambda damage: damage.__name__.strip("_"),
)


@pytest.fixture
def places(sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path) -> Places:
    return Places(
        DayStore(tmp_path / "data"), ZipStore(tmp_path / "archives"), lambda: connect(sandbox), lambda _: None
    )


def put(places: Places, place: str, day: DayFolder) -> None:
    """Let this lie in a place, as it is."""
    if place == "folder":
        shutil.copytree(day.path, places.days.day_path(PROJECT, DAY))
        return
    path = places.zips.zip_path(PROJECT, DAY)
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(day.path.iterdir()):
            archive.write(file, file.name)
    if place == "copy":
        assert places.drive is not None
        with places.drive() as drive:
            drive.upload(path, folder=PROJECT, name=path.name, replacing=drive.find(PROJECT, path.name))
        path.unlink()


def bring(places: Places, place: str, overwrite: Overwrite) -> object:
    """A day of one run comes to the place as a fetch, a zip or an upload. The name of what lay there now."""
    new = stage(places.days, [TWO.raw()])
    if place != "folder":
        day = places.days.publish(new, "superset").day
        if place == "zip":
            return zip_day(places, day, overwrite).set_aside
        zipped = make_zip(places.zips, day, "superset").zip
        assert places.drive is not None
        with places.drive() as drive:
            return upload_day(drive, places, zipped, overwrite).set_aside
    far = DayInterval.of(DAY).end + timedelta(days=999)
    decided = keep_what_was_there(new, places, overwrite, forgotten_from=far)
    return places.days.publish(decided, overwrite).set_aside


@damages
@pytest.mark.parametrize("place", ["folder", "zip", "copy"])
@pytest.mark.parametrize("overwrite", ["never", "superset", "always"])
def test_what_cannot_be_read_whole_gets_another_name_unless_somebody_gives_it_up(
    places: Places, place: str, damage: Damage, overwrite: Overwrite, tmp_path: Path
) -> None:
    store = DayStore(tmp_path / "elsewhere")
    old = store.publish(stage_with(store, [ONE.raw(), TWO.raw()], {NOTE: b"hello"}), "superset").day
    damage(old)
    put(places, place, old)

    if overwrite == "never":
        with pytest.raises(OverwriteRefused, match="overwrite is `never`"):
            bring(places, place, overwrite)
    else:
        assert (bring(places, place, overwrite) is not None) == (overwrite == "superset")
