"""`lse status` on the sandbox: what a person sees of days that are right, and of days that are not."""

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.cli.workplace import DATE, NEXT, Workplace


def status(workplace: Workplace, *arguments: str) -> dict[str, Any]:
    """The JSON of `lse status`."""
    finished = workplace.lse("status", "--json", *arguments)
    return msgspec.json.decode(finished.stdout, type=dict[str, Any])


def day_of(document: dict[str, Any], day: date) -> dict[str, Any]:
    (found,) = [one for one in document["days"] if one["date"] == str(day)]
    return dict(found)


def archive(workplace: Workplace) -> None:
    """Archive a day of three runs in a project that the test may change."""
    workplace.add_runs(3)
    finished = workplace.lse("archive", "--date", str(DATE), "--quiet")
    assert finished.returncode == 0, finished.stderr


def test_a_day_archived_anywhere_shows_as_verified_in_every_place(archived: Workplace) -> None:
    document = status(archived)
    shown = archived.lse("status", "--month", "2025-08")

    size = archived.zips.zip_path(archived.project, DATE).stat().st_size
    day = day_of(document, DATE)
    assert day.pop("drive_link").startswith("http")
    assert day == {
        "date": "2025-08-29",
        "project_id": archived.api.project_id,
        "langsmith_total": 3,
        "runs": 3,
        "traces": 3,
        "pending_runs": 0,
        "folder": "complete",
        "zip_bytes": size,
        "drive_bytes": size,
        "verified": "passed",
        "proved_whole_by": "when it was fetched",
        "forgotten": False,
        "need": None,
        "why": None,
    }
    assert document["month"] == "2025-08"
    assert [one["date"] for one in document["days"]] == ["2025-08-29", "2025-08-30", "2025-08-31"]
    assert document["gaps"][0]["first"] == "2025-08-30"
    assert document["gaps"][0]["command"].startswith("lse archive --date 2025-08-30..")
    assert document["problems"] == []
    assert shown.returncode == 4
    rows = [line for line in shown.stdout.splitlines() if line.startswith("2025-08-")]
    assert len(rows) == 31
    line = rows[28]
    assert line.split()[:3] == ["2025-08-29", "3", "3"]
    assert "✓" in line
    assert "1 on this disk, 1 zipped, 1 on Drive" in shown.stdout


def test_a_day_that_was_fetched_when_langsmith_may_have_forgotten_some_of_it_is_not_called_whole(
    workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    env = workplace.folder / ".env"
    env.write_text(env.read_text().replace("36500", "14"))
    runs = workplace.add_runs(3)
    langsmith_sandbox.settings(delete_runs=runs[1:])

    archived = workplace.lse("archive", "--date", str(DATE))
    document = status(workplace)
    shown = workplace.lse("status", "--month", "2025-08")
    verified = workplace.lse("verify", "--date", str(DATE))

    nothing = "langsmith_still_had_the_day: Nothing proves the day whole"
    assert (archived.returncode, verified.returncode) == (0, 0)
    assert f"! {nothing}" in archived.stdout
    assert "  ! langsmith_still_had_the_day" in verified.stdout
    day = day_of(document, DATE)
    assert (day["verified"], day["proved_whole_by"], day["need"]) == ("unproved", None, None)
    assert "not provable" in shown.stdout


def test_what_was_lost_damaged_or_written_again_shows_with_the_command_that_mends_it(
    workplace: Workplace, drive_sandbox: ControlClient
) -> None:
    archive(workplace)
    zip_path = workplace.zips.zip_path(workplace.project, DATE)
    content = zip_path.read_bytes()

    zip_path.write_bytes(content[:-1])
    cut = status(workplace)
    zip_path.write_bytes(content)
    workplace.add_runs(1)
    workplace.lse("archive", "fetch", "--date", str(DATE), "--force", "--quiet")
    grown = status(workplace)
    shutil.rmtree(workplace.days.day_path(workplace.project, DATE))
    freed = status(workplace)
    zip_path.unlink()
    on_drive_only = status(workplace)

    assert (day_of(cut, DATE)["need"], day_of(cut, DATE)["why"]) == ("zip", "the zip is cut off")
    assert cut["gaps"][0]["command"] == f"lse archive zip --date {DATE}"
    assert day_of(grown, DATE)["why"] == "the zip is not of this day folder"
    assert (day_of(freed, DATE)["folder"], day_of(freed, DATE)["runs"]) == ("none", 3)
    assert day_of(freed, DATE)["need"] is None
    assert (day_of(on_drive_only, DATE)["runs"], day_of(on_drive_only, DATE)["need"]) == (None, None)


def test_langsmiths_totals_are_asked_for_only_when_told_to(
    workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    archive(workplace)
    workplace.add_runs(1)
    workplace.add_runs(2, NEXT)
    langsmith_sandbox.clear()

    recorded = status(workplace)
    before = [request.path for request in langsmith_sandbox.requests()]
    asked = status(workplace, "--langsmith")

    assert before == ["/api/v1/info"]  # what time it is
    assert day_of(recorded, DATE)["langsmith_total"] == 3
    assert (day_of(asked, DATE)["langsmith_total"], day_of(asked, DATE)["need"]) == (4, "fetch")
    assert (day_of(asked, NEXT)["langsmith_total"], day_of(asked, NEXT)["need"]) == (2, "archive")
    assert day_of(asked, date(2025, 8, 31))["need"] is None


def test_a_place_that_does_not_answer_leaves_the_others_visible_and_fails(
    archived: Workplace, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(path="/drive/v3/files", status=403, body={"error": {"code": 403}}, times=1)

    finished = archived.lse("status", "--json")
    here = archived.lse("status", "--local-only", "--month", "2025-08")

    document = msgspec.json.decode(finished.stdout, type=dict[str, Any])
    assert finished.returncode == 1
    assert len(document["problems"]) == 1
    assert day_of(document, DATE)["runs"] == 3
    assert day_of(document, DATE)["verified"] == "passed"
    assert day_of(document, DATE)["drive_bytes"] is None
    assert here.returncode == 0
    assert "Drive not looked at" in here.stdout


def test_without_any_day_it_says_how_to_begin_and_months_have_a_form(workplace: Workplace) -> None:
    nothing, here = workplace.lse("status"), workplace.lse("status", "--local-only")
    wrong = [workplace.lse("status", "--month", month) for month in ("August", "9999-12")]

    assert nothing.returncode == 0
    assert "no day yet. Next: lse archive --date yesterday" in nothing.stdout
    assert "no day on this disk, and Drive was not looked at. Next:" in here.stdout
    assert [each.returncode for each in wrong] == [2, 2]


@pytest.mark.parametrize("variable", ["LSE_DATA_DIR", "LSE_ARCHIVES_DIR", "DAGSTER_HOME"])
def test_a_place_that_cannot_be_looked_into_is_not_taken_for_an_empty_one(
    workplace: Workplace, variable: str
) -> None:
    place = workplace.folder / "no folder"
    place.touch()
    with (workplace.folder / ".env").open("a") as env:
        env.write(f"\n{variable}='{place}'\n")

    shown = workplace.lse("status")

    assert shown.returncode == 1
    assert variable in shown.stderr


def test_every_configured_project_has_a_line_and_commands_name_one_that_is_not_the_default(
    archived: Workplace,
) -> None:
    env = (archived.folder / ".env").read_text()
    (archived.folder / ".env").write_text(f"{env}LSE_PROJECTS='first, {archived.project}'\n")

    shown = archived.lse("status", "--project", archived.project)
    document = status(archived, "--project", archived.project)

    assert [one["project"] for one in document["projects"]] == [archived.project, "first"]
    assert "first: no day yet" in shown.stdout
    assert document["gaps"][0]["command"].endswith(f" --project {archived.project}")


@pytest.mark.parametrize(
    ("there", "is_to_come_here"),
    [
        (lambda now: datetime(2025, 8, 31, 12, tzinfo=UTC), False),
        (lambda now: now + timedelta(days=400), True),
    ],
    ids=["behind", "ahead"],
)
def test_days_and_the_word_yesterday_go_by_langsmiths_clock_and_a_wrong_one_of_this_machine_is_told(
    archived: Workplace,
    langsmith_sandbox: ControlClient,
    there: Callable[[datetime], datetime],
    is_to_come_here: bool,
) -> None:
    moment = there(datetime.now(UTC))
    yesterday = moment.date() - timedelta(days=1)
    langsmith_sandbox.settings(now=moment.isoformat())

    finished = archived.lse("status", "--json")
    verified = archived.lse("verify", "--date", f"{DATE}..yesterday", "--project", "none")
    too_late = archived.lse("verify", "--date", f"{yesterday + timedelta(days=1)}", "--project", "none")

    document = msgspec.json.decode(finished.stdout, type=dict[str, Any])
    assert document["projects"][0]["last"] == str(yesterday)
    assert [problem["what"] for problem in document["problems"]] == ["Comparing the time with LangSmith"]
    assert finished.returncode == 1
    assert "This machine's clock is" in verified.stderr
    assert ("is not over yet in UTC" in too_late.stderr) == is_to_come_here
