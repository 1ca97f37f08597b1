"""Ctrl+C at any moment: nothing half written, the run canceled in Dagster, and a second run works."""

import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dagster as dg
import pytest
from sqlalchemy import Engine, NullPool, create_engine, event

from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.outcome import CheckOutcome, DayPlan, Step
from lse_dagster.cli.terminal.interrupts import interruptible
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.defs.progress import Amount, ProgressEvent
from lse_dagster.defs.project import LANGSMITH_POOL
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.progress import FetchProgress
from lse_dagster_tests.cli.workplace import DATE, Workplace
from lse_dagster_tests.worlds.staged import content

ARCHIVE: Mapping[Step, Overwrite] = {"fetch": "superset", "zip": "superset", "upload": "superset"}
RESTORE: Mapping[Step, Overwrite] = {"restore": "superset"}


class Impatient(Display):
    """A person who presses Ctrl+C as soon as they see something."""

    def __init__(self, is_it: Callable[[ProgressEvent], bool]) -> None:
        self._is_it = is_it
        self.pressed = False

    def progress(self, event: ProgressEvent) -> None:
        if not self.pressed and self._is_it(event):
            self.press()

    def press(self) -> None:
        self.pressed = True
        os.kill(os.getpid(), signal.SIGINT)


def during(activity: str) -> Callable[[ProgressEvent], bool]:
    if activity == "fetching":
        return lambda event: isinstance(event, FetchProgress)
    return lambda event: isinstance(event, Amount) and event.activity == activity


@dataclass
class Person:
    """Runs days on one Dagster instance, and presses Ctrl+C when told to."""

    workplace: Workplace
    instance: dg.DagsterInstance

    def finish(self, steps: Mapping[Step, Overwrite]) -> None:
        runner = self.workplace.runner(Display(), self.instance)
        assert runner.run(DayPlan(DATE, steps)).error is None
        assert self.latest_status() == dg.DagsterRunStatus.SUCCESS

    def interrupt(self, steps: Mapping[Step, Overwrite], activity: str) -> None:
        display = Impatient(during(activity))
        runner = self.workplace.runner(display, self.instance)
        with pytest.raises(KeyboardInterrupt):
            runner.run(DayPlan(DATE, steps))
        assert display.pressed
        assert self.latest_status() == dg.DagsterRunStatus.CANCELED

    def latest_status(self) -> dg.DagsterRunStatus:
        (run,) = self.instance.get_runs(limit=1)
        return run.status


@pytest.fixture
def person(workplace: Workplace, instance: dg.DagsterInstance) -> Person:
    return Person(workplace, instance)


def test_an_interrupted_archive_leaves_whole_things_only_and_is_finished_by_the_next(
    person: Person, workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    runs = workplace.add_runs(5)
    zip_path = workplace.zips.zip_path(workplace.project, DATE)
    langsmith_sandbox.latency({"/runs/query": 0.2})

    person.interrupt(ARCHIVE, "fetching")
    assert workplace.days.find(workplace.project, DATE) is None
    langsmith_sandbox.latency({})

    person.interrupt(ARCHIVE, "zipping")
    assert workplace.days.load(workplace.project, DATE).run_ids() == set(runs)
    assert not zip_path.exists()

    person.interrupt(ARCHIVE, "uploading")
    assert workplace.zips.load(workplace.project, DATE).run_ids() == set(runs)

    person.finish(ARCHIVE)
    assert workplace.hidden_files() == []


def test_an_interrupted_restore_leaves_the_old_day_or_none_and_is_finished_by_the_next(
    person: Person, workplace: Workplace
) -> None:
    workplace.add_runs(5)
    person.finish(ARCHIVE)
    path = workplace.days.day_path(workplace.project, DATE)
    before = content(path)
    workplace.zips.zip_path(workplace.project, DATE).unlink()  # which would save the download

    for activity in ("downloading", "extracting"):
        person.interrupt(RESTORE, activity)
        assert content(path) == before
        assert workplace.hidden_files() == []
    shutil.rmtree(path)
    for activity in ("downloading", "extracting"):
        person.interrupt(RESTORE, activity)
        assert not path.exists()
        assert workplace.hidden_files() == []

    person.finish(RESTORE)
    assert content(path) == before


def test_an_interrupt_between_the_last_check_and_the_end_is_not_forgotten(
    person: Person, workplace: Workplace
) -> None:
    class AfterTheLastCheck(Impatient):
        def check(self, outcome: CheckOutcome) -> None:
            if outcome.name == "traces_are_complete":
                self.press()

    workplace.add_runs(1)
    runner = workplace.runner(AfterTheLastCheck(lambda event: False), person.instance)

    with pytest.raises(KeyboardInterrupt):
        runner.run(DayPlan(DATE, {"fetch": "never"}))

    assert workplace.days.find(workplace.project, DATE) is not None


def test_an_interrupt_while_another_run_holds_langsmith_ends_the_wait(workplace: Workplace) -> None:
    class InTheQueue(Impatient):
        def wait_for_others(self, step: Step) -> None:
            threading.Timer(0.1, self.press).start()  # once Dagster sleeps until the pool is free

    with workplace.instance() as instance:  # pools need one that is kept on disk
        person = Person(workplace, instance)
        runner = workplace.runner(InTheQueue(lambda event: False), instance)
        instance.event_log_storage.set_concurrency_slots(LANGSMITH_POOL, 0)
        with pytest.raises(KeyboardInterrupt):
            runner.run(DayPlan(DATE, {"fetch": "never"}))
        assert person.latest_status() == dg.DagsterRunStatus.CANCELED

        instance.event_log_storage.set_concurrency_slots(LANGSMITH_POOL, 1)
        person.finish({"fetch": "never"})


def test_an_interrupt_while_python_cleans_up_is_not_swallowed(capfd: pytest.CaptureFixture[str]) -> None:
    class Cleaning:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):  # the signal arrives while this runs
                pass

    with pytest.raises(KeyboardInterrupt), interruptible():
        thing = Cleaning()
        del thing
        threading.Event().wait(30)

    assert capfd.readouterr().err == ""


def test_an_interrupt_before_the_first_step_leaves_no_run_that_holds_up_its_day(person: Person) -> None:
    def press(*statement: object) -> None:
        if "INSERT INTO event_logs" in str(statement[2]):  # the run is made, and has not begun
            event.remove(Engine, "after_cursor_execute", press)
            os.kill(os.getpid(), signal.SIGINT)

    event.listen(Engine, "after_cursor_execute", press)
    with pytest.raises(KeyboardInterrupt):
        person.workplace.runner(Display(), person.instance).run(DayPlan(DATE, ARCHIVE))

    assert person.latest_status() == dg.DagsterRunStatus.CANCELED


def test_an_interrupt_while_a_database_is_closed_brings_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Closing(sqlite3.Connection):
        def close(self) -> None:
            raise KeyboardInterrupt

    engine = create_engine("sqlite://", creator=lambda: Closing(":memory:"), poolclass=NullPool)
    with pytest.raises(KeyboardInterrupt), interruptible():
        engine.connect().close()

    assert caplog.records == []
