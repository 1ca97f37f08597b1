"""The road of a person with a browser: archive a day, backfill a range, lose it, restore it, all by clicking.

`LSE_SCREENSHOTS=<folder>` keeps pictures of what the person sees.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from dotenv import dotenv_values
from langsmith import Client
from playwright.sync_api import Page, expect

from lse_dagster.sandbox.conversations import demo_conversations
from lse_dagster.sandbox.trace import trace_conversations
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
    used = "ui_of_recent_days" if "ui_of_recent_days" in request.fixturenames else "ui"
    ui: DagsterUi = request.getfixturevalue(used)
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
def test_days_are_archived_lost_and_restored_by_clicking_in_the_ui(
    ui: DagsterUi, page: Page, screenshot: Screenshot
) -> None:
    # given: the three assets in the graph, each with its partitions, none of them materialized
    page.goto(GRAPH)
    for asset in ASSETS:
        expect(page.get_by_text(asset, exact=True)).to_be_visible()
    expect(page.get_by_text("0% filled")).to_have_count(len(ASSETS))
    see_partitions(page, "raw_runs", materialized=0, missing=len(RANGE))

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
        see_partitions(page, asset, materialized=len(RANGE), missing=0)
    page.get_by_text(RANGE[-1].isoformat(), exact=True).first.click()
    see_source(page, "langsmith")
    screenshot("partitions")
    page.goto("/assets/raw_runs?view=checks&checkDetail=run_count_matches_langsmith")
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(len(RAW_RUNS_CHECKS))
    screenshot("checks")

    # when: the day folders are lost, and the restore job runs over the range
    archived = {day: contents(ui, day) for day in RANGE}
    for day in RANGE:
        shutil.rmtree(day_folder(ui, day))
    page.goto(RESTORE_JOB)
    page.get_by_role("button", name="Materialize").first.click()
    launch_from_dialog(page, RANGE, expected_button="Launch backfill")
    restores = ui.wait_for_success("restore", RANGE, seconds=RANGE_SECONDS)

    # then: they are back, byte for byte, checked, and say where they came from
    assert {day: contents(ui, day) for day in RANGE} == archived
    for restore in restores:
        assert ui.check_results(restore) == dict.fromkeys(RAW_RUNS_CHECKS, True)
        assert {"key": "lse/kind", "value": "restore"} in restore["tags"]
        assert "source: drive" in restore["runConfigYaml"]
    assert {ui.latest_metadata("raw_runs", day)["source"] for day in RANGE} == {"drive"}
    assert ui.latest_metadata("raw_runs", FIRST_DAY)["source"] == "langsmith"
    page.goto(f"{RESTORE_JOB}/runs")
    expect(page.get_by_text("lse/kind: restore")).to_have_count(len(RANGE))
    expect(page.get_by_text("Success", exact=True)).to_have_count(len(RANGE))
    screenshot("restore")
    page.goto(f"/assets/raw_runs?view=partitions&partition={RANGE[-1]}")
    see_source(page, "drive")


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


def see_partitions(page: Page, asset: str, *, materialized: int, missing: int) -> None:
    """The asset's partitions page says so many of the range are materialized, and so many missing."""
    page.goto(f"/assets/{asset}?view=partitions")
    choose_days(page.get_by_role("textbox").first, RANGE)
    expect(page.get_by_text(f"{len(RANGE)} Partitions Selected")).to_be_visible()
    expect(page.get_by_text(f"Materialized ({materialized})")).to_be_visible()
    expect(page.get_by_text(f"Missing ({missing})")).to_be_visible()
    expect(page.get_by_text("Failed (0)")).to_be_visible()


def see_source(page: Page, source: str) -> None:
    """The partition that is open shows where its day came from."""
    expect(page.get_by_role("row", name=f"source {source}")).to_be_attached()


def day_folder(ui: DagsterUi, day: date) -> Path:
    """Where the playground keeps a day."""
    return ui.playground / "data" / PROJECT / day.isoformat()


def contents(ui: DagsterUi, day: date) -> dict[str, bytes]:
    """Every file of a day folder, by name. There is always at least a trace and the summary."""
    files = {path.name: path.read_bytes() for path in day_folder(ui, day).iterdir()}
    assert len(files) > 1
    return files
