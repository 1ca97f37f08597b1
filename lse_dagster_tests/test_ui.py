"""The road of a person with a browser: archive a day, backfill a range, restore one, all by clicking.

`LSE_SCREENSHOTS=<folder>` keeps pictures of what the person sees.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from dotenv import dotenv_values
from langsmith import Client
from playwright.sync_api import Page, expect

from lse_dagster.defs.project import slug
from lse_dagster.run.times import in_rows
from lse_dagster.sandbox.conversations import demo_conversations
from lse_dagster.sandbox.environment import write_env_file
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.sandbox.trace import trace_conversations
from lse_dagster_tests.cli.workplace import Workplace
from lse_dagster_tests.worlds.dagster_ui import (
    DagsterUi,
    archive_in_terminal,
    choose_days,
    drawn_pixels,
    find_chromium,
    launch_from_dialog,
    running_browser,
    running_ui,
    wait_until,
)
from lse_dagster_tests.worlds.day_archive import ALL_CHECKS, RAW_RUNS_CHECKS
from lse_dagster_tests.worlds.langsmith_api import NOON, LangSmithApi

PROJECT = "my-project"
TRACED_BY_LSE_DEV = date(2025, 8, 29)
FIRST_DAY, *RANGE = (date(2025, 8, number) for number in range(27, 30))
ASSETS = ("raw_runs", "day_zip", "drive_archive")

GRAPH = f"/locations/lse_dagster/asset-groups/{PROJECT.replace('-', '_')}/lineage"
RESTORE_JOB = "/locations/lse_dagster/jobs/restore"
ASSET_JOB = "__ASSET_JOB"  # what Dagster calls runs that materialize assets without a job of ours

TODAY = datetime.now(UTC).date()
RECENT_DAYS = 21 if "LSE_SCREENSHOTS" in os.environ else 3
RECENT = [TODAY - timedelta(days=days) for days in range(RECENT_DAYS, 0, -1)]
"""Three weeks for a picture. Dagster (1.13) plots over the last 120 partitions that there are: days of long
ago are never among them."""
PLOTTED = ("bytes", "requests", "traces", "seconds", "runs")

MONTH = [date(2025, 8, number) for number in range(1, 32)]
HOLED = MONTH[10:16]
ABSENT = HOLED[1::2]
_, NOT_UPLOADED, _ = ABSENT
"""Of the days that are not on Drive one was fetched all the same."""

ONE_DAY_SECONDS = 300.0
RANGE_SECONDS = 600.0
"""The backfill daemon looks every 30 seconds, and one day at a time asks LangSmith."""

Screenshot = Callable[[str], None]


@pytest.fixture
def chromium() -> str:
    """The system's Chromium. In CI it must be there."""
    if (found := find_chromium()) is not None:
        return found
    missing = "No Chromium found: install the package `chromium` (apt-get install chromium) or Google Chrome"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def ui(chromium: str, tmp_path: Path) -> Iterator[DagsterUi]:
    """The UI on a fresh playground whose sandbox has conversations on three dates."""
    with running_ui(tmp_path / "checkout") as running:
        trace({day: 2 + day.day % 2 for day in (FIRST_DAY, *RANGE) if day != TRACED_BY_LSE_DEV}, running)
        yield running


@pytest.fixture
def ui_of_recent_days(chromium: str, tmp_path: Path) -> Iterator[DagsterUi]:
    """The UI of an archive that holds the last three weeks."""
    with running_ui(tmp_path / "checkout") as running:
        trace({day: 3 + day.toordinal() * 5 % 7 for day in RECENT}, running)
        archive_in_terminal(running, RECENT)
        yield running


@dataclass(frozen=True)
class Month:
    """The UI of three projects. Of the first, the workplace's, a month was archived, with holes in it."""

    ui: DagsterUi
    workplace: Workplace
    groups: Sequence[str]

    def day_folder(self, day: date) -> Path:
        return self.workplace.days.day_path(self.workplace.project, day)


@pytest.fixture
def ui_of_a_month(chromium: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[Month]:
    """Days of one run each, archived by the same jobs as in the UI, in this process: that takes the least."""
    apis = [LangSmithApi(sandbox) for _ in range(3)]
    projects = [api.project for api in apis]
    days = [day for day in MONTH if day not in ABSENT]
    variables = {
        **sandbox.env,
        "LSE_PROJECTS": ",".join(projects),
        "LSE_RETENTION_DAYS": "36500",
        "LSE_START_DATE": MONTH[0].isoformat(),
        "DAGSTER_HOME": str(tmp_path / "home"),
    }
    write_env_file(tmp_path / ".env", variables)
    workplace = Workplace(tmp_path, apis[0], variables)
    with running_ui(tmp_path) as running:
        for day in MONTH:
            workplace.add_runs(1, day)
        for api in apis[1:]:
            api.add_run(NOON)
        last = ("--date", str(NOON.date()))
        for command in (
            *(["--date", some] for some in in_rows(days)),
            ["fetch", "--date", str(NOT_UPLOADED)],
            *(["--project", project, *last] for project in projects[1:]),
        ):
            done = workplace.lse("archive", *command, "--quiet")
            assert done.returncode == 0, done.stderr
        yield Month(running, workplace, [slug(project) for project in projects])


def trace(conversations: Mapping[date, int], ui: DagsterUi) -> None:
    """So many conversations on each date, as an application would trace them."""
    settings = dotenv_values(ui.playground / ".env")
    client = Client(api_url=settings["LANGSMITH_ENDPOINT"], api_key=settings["LANGSMITH_API_KEY"])
    for day, number in conversations.items():
        trace_conversations(client, PROJECT, day, demo_conversations(number, seed=day.day))
    client.cleanup()


@pytest.fixture
def page(chromium: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A browser window on the test's UI, which refreshes what it shows every few seconds."""
    (used,) = {"ui", "ui_of_recent_days", "ui_of_a_month"} & {*request.fixturenames}
    running = request.getfixturevalue(used)
    ui: DagsterUi = running.ui if isinstance(running, Month) else running
    expect.set_options(timeout=120_000)
    with running_browser(chromium) as browser:
        yield browser.new_page(base_url=ui.url, viewport={"width": 1400, "height": 800})


@pytest.fixture
def screenshot(page: Page) -> Screenshot:
    """Keeps a picture of the page by name, if LSE_SCREENSHOTS says where."""
    folder = os.environ.get("LSE_SCREENSHOTS")

    def take(name: str) -> None:
        if folder:
            page.wait_for_load_state("networkidle")
            page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")

    return take


@pytest.mark.browser
@pytest.mark.slow
def test_days_are_archived_by_clicking_in_the_ui(ui: DagsterUi, page: Page, screenshot: Screenshot) -> None:
    # given: the three assets in the graph, each with its partitions, none of them materialized
    page.goto(GRAPH)
    for asset in ASSETS:
        expect(page.get_by_text(asset, exact=True)).to_be_visible()
    expect(page.get_by_text("0% filled")).to_have_count(len(ASSETS))
    see_partitions(page, "raw_runs", RANGE, materialized=0, missing=len(RANGE))

    # when: one day of all three is materialized
    page.goto(GRAPH)
    page.get_by_role("button", name="Materialize all").click()
    launch_from_dialog(page, [FIRST_DAY], expected_button="Launch 1 run")
    (run,) = ui.wait_for_success(ASSET_JOB, [FIRST_DAY], seconds=ONE_DAY_SECONDS)

    # then: every check passed, and the graph shows it
    assert ui.check_results(run) == dict.fromkeys(ALL_CHECKS, True)
    expect(page.get_by_text(f"{len(RAW_RUNS_CHECKS)} / {len(RAW_RUNS_CHECKS)} Passed")).to_be_visible()
    expect(page.get_by_text("1 / 1 Passed")).to_have_count(2)
    screenshot("asset-graph")

    # when: a range is backfilled
    page.get_by_role("button", name="Materialize all").click()
    launch_from_dialog(page, RANGE, expected_button="Launch backfill")
    runs = ui.wait_for_success(ASSET_JOB, RANGE, seconds=RANGE_SECONDS)

    # then: every check of every day passed, and the asset's pages show it
    assert [ui.check_results(run) for run in runs] == [dict.fromkeys(ALL_CHECKS, True)] * len(RANGE)
    for asset in reversed(ASSETS):
        see_partitions(page, asset, RANGE, materialized=len(RANGE), missing=0)
    page.get_by_text(RANGE[-1].isoformat(), exact=True).first.click()
    see_source(page, "langsmith")
    screenshot("partitions")
    page.goto("/assets/raw_runs?view=checks&checkDetail=run_count_matches_langsmith")
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(len(RAW_RUNS_CHECKS))
    screenshot("checks")


@pytest.mark.browser
@pytest.mark.slow
def test_a_range_with_holes_is_restored_by_clicking_and_every_group_stays_green(
    ui_of_a_month: Month, page: Page, screenshot: Screenshot
) -> None:
    # given: a month of one of three projects, its folders gone; some days are not on Drive
    month, ui, there = ui_of_a_month, ui_of_a_month.ui, HOLED[::2]
    before = {day: contents(month.day_folder(day)) for day in (*there, NOT_UPLOADED)}
    for day in there:
        shutil.rmtree(month.day_folder(day))
    month.workplace.zips.zip_path(month.workplace.project, there[0]).unlink()  # this one is to be downloaded

    # when: the restore job runs over the range, as its page tells to do
    page.goto(RESTORE_JOB)
    expect(page.get_by_text("A day that is not on Drive is skipped")).to_be_visible()
    screenshot("restore-job")
    page.get_by_role("button", name="Materialize").first.click()
    launch_from_dialog(page, HOLED, expected_button="Launch backfill")
    runs = ui.wait_for_success("restore", HOLED, seconds=RANGE_SECONDS)

    # then: what is on Drive is back, byte for byte, checked, and says where it came from
    assert {day: contents(month.day_folder(day)) for day in before} == before
    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in runs]
    assert {one["lse/kind"] for one in tags} == {"restore"}
    skipped = [date.fromisoformat(one["dagster/partition"]) for one in tags if "lse/skipped" in one]
    assert sorted(skipped) == ABSENT
    for run, one in zip(runs, tags, strict=True):
        assert ui.check_results(run) == ({} if "lse/skipped" in one else dict.fromkeys(RAW_RUNS_CHECKS, True))
        assert "source: drive" in run["runConfigYaml"]
    assert {ui.latest_metadata("raw_runs", day)["source"] for day in there} == {"drive"}
    assert ui.latest_metadata("raw_runs", NOT_UPLOADED)["source"] == "langsmith"

    # and: the runs say which days were skipped, and nothing in any project is anything but green
    page.goto(f"{RESTORE_JOB}/runs")
    expect(page.get_by_text("lse/kind: restore")).to_have_count(len(HOLED))
    expect(page.get_by_text("lse/skipped: not on Drive")).to_have_count(len(ABSENT))
    expect(page.get_by_text("Success", exact=True)).to_have_count(len(HOLED))
    screenshot("restore")
    for group in month.groups:
        page.goto(f"/locations/lse_dagster/asset-groups/{group}/lineage")
        expect(page.get_by_text(f"{len(RAW_RUNS_CHECKS)} / {len(RAW_RUNS_CHECKS)} Passed")).to_be_visible()
        expect(page.get_by_text("1 / 1 Passed")).to_have_count(2)
        expect(page.get_by_text("Failed")).to_have_count(0)
        screenshot(f"group-{group}")
    see_partitions(page, "raw_runs", HOLED, materialized=len(there) + 1, missing=len(ABSENT) - 1)
    screenshot("restored-partitions")
    page.goto(f"/assets/raw_runs?view=partitions&partition={there[-1]}")
    see_source(page, "drive")

    # and: materialized by hand, the overview has each project, and the command for a hole
    page.goto("/assets/archive_overview")
    page.get_by_role("button", name="Materialize").first.click()
    expect(page.get_by_role("link", name=re.compile("ago$")).first).to_be_visible()
    page.goto("/assets/archive_overview?view=checks")  # what an open page shows of metadata stays as it was
    hole = f"lse archive --date {ABSENT[0]} --project {month.workplace.project}"
    expect(page.get_by_text(hole)).to_be_visible()
    screenshot("overview-check")
    page.goto("/assets/archive_overview")
    for project in month.workplace.settings().projects:
        expect(page.get_by_role("cell", name=project, exact=True).first).to_be_visible()
    screenshot("overview")


@pytest.mark.browser
@pytest.mark.slow
def test_numbers_plot_over_time_and_over_partitions_and_tables_and_links_are_there(
    ui_of_recent_days: DagsterUi, page: Page, screenshot: Screenshot
) -> None:
    # given: a day's tables of its runs, and its project a click away
    page.goto(f"/assets/raw_runs?view=partitions&partition={RECENT[-1]}")
    expect(page.get_by_role("cell", name="tool", exact=True)).to_be_attached()
    expect(page.get_by_role("cell", name="12:00", exact=True)).to_be_attached()
    expect(page.get_by_role("link", name="/projects/p/")).to_be_attached()
    screenshot("metadata")
    page.goto("/assets/raw_runs?view=overview")
    page.get_by_role("button", name="Plots").click()

    for axis in ("Partitions", "Events"):
        # when: its numbers are plotted
        page.get_by_role("button", name=re.compile(f"{axis}$")).click()  # an icon's name comes first

        # then: there is a line for each
        for number in PLOTTED:
            wait_until(
                lambda number=number: drawn_pixels(page, number) or None,  # type: ignore[misc]
                f"{number} over {axis}",
                seconds=300,
            )
        if axis == "Partitions":
            screenshot("plots")


def see_partitions(page: Page, asset: str, days: Sequence[date], *, materialized: int, missing: int) -> None:
    """The asset's partitions page says so many of the days are materialized and missing, and none failed."""
    page.goto(f"/assets/{asset}?view=partitions")
    choose_days(page.get_by_role("textbox").first, days)
    expect(page.get_by_text(f"{len(days)} Partitions Selected")).to_be_visible()
    expect(page.get_by_text(f"Materialized ({materialized})")).to_be_visible()
    expect(page.get_by_text(f"Missing ({missing})")).to_be_visible()
    expect(page.get_by_text("Failed (0)")).to_be_visible()


def see_source(page: Page, source: str) -> None:
    """The partition that is open shows where its day came from."""
    expect(page.get_by_role("row", name=f"source {source}")).to_be_attached()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a day folder, by name. There is always at least a trace and the summary."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(files) > 1
    return files
