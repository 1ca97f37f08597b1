"""Days of several projects of one name under one date: nothing of one comes into another's."""

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lse_dagster.calendar.inventory import local_days
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.carry_over import with_summary
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.staging import StagedDay
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.run.times import DayInterval
from lse_dagster.steps.places import Places
from lse_dagster.steps.union import keep_what_was_there
from lse_dagster.steps.zip import zip_day
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, stage

RUNS = [root(at(f"1{hour}:00:00")) for hour in range(4)]
BEGAN = DayInterval.of(DAY).end

ids = st.sampled_from(["first-id", "second-id", "third-id"])
some_runs = st.sets(st.integers(0, len(RUNS) - 1))
policies = st.sampled_from(["superset", "always"])
fetches = st.lists(st.tuples(ids, some_runs, policies), min_size=1, max_size=5)
of_the_first_system = st.one_of(st.none(), st.sets(st.integers(0, len(RUNS) - 1), min_size=1))


def fetch(places: Places, project_id: str, runs: set[int], overwrite: Overwrite, hour: int) -> DayFolder:
    """What a fetch and a zip make of the day of one project."""
    fetched_at = BEGAN + timedelta(hours=hour)
    staged = stage(places.days, [RUNS[run].raw() for run in sorted(runs)], fetched_at=fetched_at)
    day = with_summary(staged.day, replace(staged.day.summary, project_id=project_id))
    far = BEGAN + timedelta(days=999)
    fetched = StagedDay(staged.staging, day)
    decided = keep_what_was_there(fetched, places, overwrite, forgotten_from=far)
    published = places.days.publish(decided, overwrite).day
    zip_day(places, published, "superset")
    return published


def traces(day: DayFolder) -> set[str]:
    return {name.split("_")[0] for name in day.summary.trace_names()}


@settings(max_examples=40)
@given(of_the_first_system, fetches)
def test_each_holds_what_was_fetched_of_it_and_nothing_of_another(
    without_id: set[int] | None, sequence: list[tuple[str, set[int], Overwrite]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        days, zips = DayStore(Path(folder, "data")), ZipStore(Path(folder, "archives"), level=1)
        places = Places(days, zips, None, lambda _: None)
        if without_id is not None:
            fetch(places, "", without_id, "superset", 0)
        adopted = {RUNS[run].id for run in without_id or ()}
        fetched: dict[str, set[str]] = {}
        for hour, (project_id, runs, overwrite) in enumerate(sequence, 1):
            fetch(places, project_id, runs, overwrite, hour)
            before = set() if overwrite == "always" else fetched.get(project_id, set())
            fetched[project_id] = before | {RUNS[run].id for run in runs}

        plain = days.load(PROJECT, DAY)
        lying = [plain, *days.others(plain)]
        held = {day.summary.project_id: traces(day) for day in lying}
        assert all(held[project_id] <= fetched[project_id] | adopted for project_id in held)
        assert all(found <= held.get(project_id, set()) for project_id, found in fetched.items())
        for day in lying:
            assert zips.load(PROJECT, DAY, day.summary.project_id).summary == day.summary
        latest = max(lying, key=lambda day: day.summary.fetched_at)
        seen = local_days(days.root, zips.root, PROJECT)[DAY]
        assert plain.summary == latest.summary
        assert seen.summary is not None
        assert seen.summary.project_id == latest.summary.project_id
        each = [seen, *seen.others]
        assert {one.project_id for one in each} == held.keys()
        for one in each:
            own = zips.zip_path(PROJECT, DAY, one.project_id)
            assert (one.zip is not None and one.zip.path, one.zip_is_of_folder) == (own, True)
