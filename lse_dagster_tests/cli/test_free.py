"""`lse free`: what would go is shown, asked about and removed; nobody asked is nothing removed."""

import json
import re
import shlex
from typing import Any

import dagster as dg

from lse_dagster_tests.cli.workplace import DATE, Workplace


def free(workplace: Workplace, *arguments: str) -> dict[str, Any]:
    finished = workplace.lse("free", *arguments, "--json")
    assert finished.returncode == 0, finished.stderr
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


def is_here(workplace: Workplace) -> tuple[bool, bool]:
    """Whether the day's folder and its zip are on this disk."""
    days, zips = workplace.days, workplace.zips
    return days.day_path(workplace.project, DATE).exists(), zips.zip_path(workplace.project, DATE).exists()


def test_what_would_go_is_listed_and_asked_about(archived: Workplace) -> None:
    with archived.terminal("free", "--older-than", "60d", columns=80) as terminal:
        screen = terminal.wait_for("Remove them from this disk? [y/N]")
        terminal.type("")
        assert terminal.wait_until_it_ends() == 3
    assert f"  {DATE}  " in screen
    assert "Freeing 1 day of " in screen
    assert is_here(archived) == (True, True)

    with archived.terminal("free", "--older-than", "60d", columns=120) as terminal:
        terminal.wait_for("[y/N]")
        terminal.type("y")
        assert terminal.wait_until_it_ends() == 0
    assert "1 day removed from this disk, " in terminal.text
    assert f"lse archive restore --date {DATE}" in terminal.text
    assert is_here(archived) == (False, False)
    run = archived.latest_run()
    assert (run.job_name, run.status) == ("free_disk", dg.DagsterRunStatus.SUCCESS)
    with archived.instance() as instance:
        (observed,) = instance.fetch_observations(dg.AssetKey("raw_runs"), limit=9).records
    assert observed.partition_key == str(DATE)


def test_without_a_terminal_it_refuses_unless_told(archived: Workplace) -> None:
    refused = archived.lse("free", "--older-than", "60d")
    unsaid = archived.lse("free", "--yes")
    odd = archived.lse("free", "--older-than", "soon")
    dry = free(archived, "--date", "2025-08-01..2025-08-31", "--dry-run")
    here = is_here(archived)
    young = free(archived, "--older-than", "9999d", "--yes")
    done = free(archived, "--date", str(DATE), "--yes")
    again = free(archived, "--date", str(DATE), "--yes")

    assert (refused.returncode, unsaid.returncode, odd.returncode) == (1, 1, 2)
    assert "nobody can be asked" in refused.stderr
    assert "LSE_KEEP_LOCAL_DAYS=60" in unsaid.stderr
    assert (dry["days"], here) == ([{**done["days"][0], "result": "would be removed"}], (True, True))
    assert (dry["bytes"], young["days"]) == (done["bytes"], [])
    assert (done["days"][0]["date"], done["days"][0]["result"]) == (str(DATE), "removed")
    assert is_here(archived) == (False, False)
    assert (again["days"], again["run_id"]) == ([], None)


def test_a_day_that_must_stay_is_told_with_the_reason(archived: Workplace) -> None:
    archived.zips.zip_path(archived.project, DATE).unlink()

    found = free(archived, "--date", str(DATE), "--yes")

    (kept,) = found["days"]
    assert (kept["result"], kept["why"][:10]) == ("kept", "There is n")
    assert is_here(archived) == (True, False)
    advice = re.search("`lse ([^`]+)`", kept["why"])
    assert advice is not None
    assert archived.lse(*shlex.split(advice[1])).returncode == 0
    (removed,) = free(archived, "--date", str(DATE), "--yes")["days"]
    assert removed["result"] == "removed"  # the zip made anew is the one on Drive
