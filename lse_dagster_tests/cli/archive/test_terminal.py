"""`lse archive` as a person sees and answers it, in a terminal of its own."""

import os
import re
import signal

import dagster as dg
import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.cli.workplace import DATE, NEXT, Workplace

COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3|4|9|10)\d(?:;\d+)*m")
CURSOR_BACK = b"\x1b[?25h"


@pytest.mark.slow
def test_a_day_moves_bars_ends_in_a_line_a_step_and_survives_a_narrow_window(
    workplace: Workplace, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient
) -> None:
    workplace.add_runs(3)
    langsmith_sandbox.fault(path="/runs/query", skip=3, times=20, delay=1.5)
    drive_sandbox.fault(method="PUT", path="/upload", delay=1.5)

    with workplace.terminal("archive", "--date", str(DATE)) as terminal:
        terminal.wait_for(f"{workplace.project} {DATE}", "% of the day")
        terminal.resize(columns=70)
        terminal.wait_for("✓ fetch", "uploading")
        assert len([line for line in terminal.lines if "uploading" in line]) == 1
        code = terminal.wait_until_it_ends()

    assert code == 0
    screen = terminal.text
    assert [line.split()[1] for line in terminal.lines if re.match(r"✓ \w", line)] == [
        "fetch",
        "zip",
        "upload",
        "checks",
    ]
    assert "11 of 11 checks passed" in screen
    assert "3 runs in 3 traces" in screen
    assert "uploading" not in screen
    assert COLOUR.search(terminal.sent_by_command)
    assert CURSOR_BACK in terminal.sent_by_command


@pytest.mark.slow
def test_nothing_is_overwritten_without_a_yes(workplace: Workplace) -> None:
    workplace.add_runs(2)
    workplace.add_runs(1, NEXT)
    assert workplace.lse("archive", "--date", f"{DATE}..{NEXT}").returncode == 0
    fetched = workplace.days.load(workplace.project, DATE).summary.fetched_at

    with workplace.terminal("archive", "fetch", "--date", str(DATE)) as terminal:
        screen = terminal.wait_for("[y/N]")
        assert "2 runs in 2 traces" in screen
        assert "A yes loses nothing" in screen
        terminal.type("maybe")
        terminal.wait_for("Please answer yes or no.")
        terminal.type("")
        assert terminal.wait_until_it_ends() == 3
    assert "Nothing was done" in terminal.text

    with workplace.terminal("archive", "upload", "--date", str(DATE)) as terminal:
        assert terminal.wait_until_it_ends() == 0  # the same content needs no question
    assert "the same zip is on Drive already" in terminal.text

    for day in (DATE, NEXT):  # what is as its copy has it needs no question either
        (trace, *_) = workplace.days.day_path(workplace.project, day).glob("*Z.json")
        trace.write_bytes(trace.read_bytes() + b" ")
    with workplace.terminal("archive", "restore", NO_COLOR="1") as terminal:
        terminal.wait_for(f"Restoring {DATE}", "a]ll")
        terminal.type("no")
        terminal.wait_for(f"Restoring {NEXT}")
        terminal.type("all")
        assert terminal.wait_until_it_ends() == 0
    assert not COLOUR.search(terminal.sent_by_command)
    assert "1 runs" in terminal.text
    assert workplace.days.load(workplace.project, DATE).summary.fetched_at == fetched


@pytest.mark.slow
def test_ctrl_c_and_ctrl_d_at_a_question_and_ctrl_c_and_sigterm_at_work(
    workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    workplace.add_runs(2)
    assert workplace.lse("archive", "fetch", "--date", str(DATE)).returncode == 0
    command = ("archive", "fetch", "--date", str(DATE))

    with workplace.terminal(*command) as terminal:
        terminal.wait_for("[y/N]")
        terminal.interrupt()
        assert terminal.wait_until_it_ends() == 130

    with workplace.terminal(*command) as terminal:
        terminal.wait_for("[y/N]")
        terminal.end_of_input()
        assert terminal.wait_until_it_ends() == 3

    langsmith_sandbox.latency({"/runs/query": 1.5})
    for ending in (signal.SIGINT, signal.SIGTERM):
        with workplace.terminal("archive", "fetch", "--date", str(NEXT)) as terminal:
            terminal.wait_for(" fetch ━")
            if ending is signal.SIGINT:
                terminal.interrupt()
            else:
                os.kill(terminal.pid, ending)
            assert terminal.wait_until_it_ends() == 130
        assert "Interrupted." in terminal.text
        assert "Traceback" not in terminal.text
        assert CURSOR_BACK in terminal.sent_by_command
        assert workplace.latest_run().status == dg.DagsterRunStatus.CANCELED
    assert workplace.days.find(workplace.project, NEXT) is None


def test_a_run_whose_process_was_killed_does_not_block_the_next(
    workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    runs = workplace.add_runs(2)
    langsmith_sandbox.latency({"/runs/query": 5})

    with workplace.terminal("archive", "fetch", "--date", str(DATE)) as terminal:
        terminal.wait_for(" fetch ━")
        os.kill(terminal.pid, signal.SIGKILL)
        assert terminal.wait_until_it_ends() == -signal.SIGKILL
    killed = workplace.latest_run()
    assert killed.status == dg.DagsterRunStatus.STARTED

    langsmith_sandbox.latency({})
    finished = workplace.lse("archive", "fetch", "--date", str(DATE))

    assert finished.returncode == 0, finished.stderr
    assert workplace.days.load(workplace.project, DATE).run_ids() == set(runs)
    with workplace.instance() as instance:
        ended = instance.get_run_by_id(killed.run_id)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.FAILURE


def test_a_step_that_waits_says_for_what_and_ctrl_c_ends_it(
    workplace: Workplace, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient
) -> None:
    workplace.add_runs(2)
    later = {"Retry-After": "600"}
    langsmith_sandbox.fault(path="/info$", status=503, headers=later, times=100)
    with workplace.terminal("archive", "--date", str(DATE)) as terminal:
        terminal.wait_for("! GET ", "/info: 503", "Trying again in 600 s.")
        terminal.interrupt()
        assert terminal.wait_until_it_ends() == 130
    langsmith_sandbox.clear_faults()

    drive_sandbox.fault(path="/upload", status=503, headers=later, times=100)
    with workplace.terminal("archive", "--date", str(DATE)) as terminal:
        terminal.wait_for("✓ zip", "! Uploading ", "Drive answered 503. Trying")
        terminal.interrupt()
        assert terminal.wait_until_it_ends() == 130
    drive_sandbox.clear_faults()

    assert workplace.lse("archive", "--date", str(DATE), "--force").returncode == 0
