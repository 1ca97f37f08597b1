"""What a check found of each day, as Dagster's results: each day's own, whatever happened to the others.

An error is the verdict of the day that it happened to. What may pass has the whole step tried again first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final, TypeVar

import dagster as dg

from lse_dagster.defs.check_table import CHECKS, DAY_CHECKS, RUN_COUNT
from lse_dagster.defs.dagster_internals import (
    AssetCheckEvaluationTargetMaterializationData,
    take_back_planned_checks,
)
from lse_dagster.defs.failure import Retries, parts_of_error
from lse_dagster.defs.own_records import owner_metadata, tagged_id
from lse_dagster.defs.project import ArchivedProject
from lse_dagster.defs.resources import LocalStorage
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.errors import IncompleteDay
from lse_dagster.steps.examination.finding import Finding
from lse_dagster.steps.examination.verdict import Verdict

_Answer = TypeVar("_Answer")
StepContext = dg.AssetCheckExecutionContext | dg.AssetExecutionContext

Find = Callable[[str, str, date], Finding | None]
"""What a check finds of a day, given the check's name, the project's and the day.

None of a day that was freed and has nothing here to look at: what was found last stands.
"""

_DAYS_UNTIL_SILENT: Final = 2


class NotForeseen(ArchiveError):
    """An error of no type of ours kept a day from being checked."""

    def __init__(self, day: date, error: Exception) -> None:
        super().__init__(
            f"Checking the day {day}",
            f"An error that nobody foresaw: {type(error).__name__}: {error}",
            "Look at the file that it names, if it names one; else report what the run's log says.",
        )


class NoAnswer(ArchiveError):
    """Days before this one got no answer, so nobody was asked about it."""

    transient = True

    def __init__(self, error: ArchiveError) -> None:
        super().__init__(
            "Asking about the day",
            f"Not asked: two days before it got no answer, the last time as {error.why}",
            error.next_step,
        )


class Service:
    """Who is asked about one day after the other, and waited for each time.

    One day without an answer says nothing of the next. After two in a row nobody waits any longer: a month
    of days would hold a pool for hours.
    """

    def __init__(self) -> None:
        self._silent = 0
        self._error: ArchiveError | None = None

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask. Raises what the question does, `NoAnswer` without asking."""
        if self._error is not None and self._silent == _DAYS_UNTIL_SILENT:
            raise NoAnswer(self._error)
        try:
            answer = question()
        except ArchiveError as error:
            self._silent, self._error = (self._silent + 1 if error.transient else 0), error
            raise
        self._silent = 0
        return answer


def check_days(
    context: dg.AssetCheckExecutionContext,
    project: ArchivedProject,
    storage: LocalStorage,
    retries: Retries,
    find: Find,
) -> Iterator[dg.AssetCheckResult]:
    """The results of the checks that are wanted: of the day of the partition, else of every local day.

    A run without a partition cannot yield results for partitioned assets (Dagster 1.13.27 raises), and they
    would belong to no day; so it logs one evaluation per day.

    Raises `RetryRequested` while the step may be tried again.
    """
    with retries.archive_errors(context.retry_number):
        name = project.configured_name
        partition = [date.fromisoformat(context.partition_key)] if context.has_partition_key else None
        days = partition or storage.days.dates(name)
    for key, day, finding in _findings(context, retries, context.selected_asset_check_keys, name, days, find):
        found = _result(context, name, key, finding)
        if context.has_partition_key:
            yield dg.AssetCheckResult(**found)
        else:
            evaluation: Any = dg.AssetCheckEvaluation(**found, partition=day.isoformat())
            context.op_execution_context.log_event(evaluation)  # it takes any event; typed for three of them
    # Of a freed day: what was found last stands.
    assets = {key.asset_key for key in context.selected_asset_check_keys}
    take_back_planned_checks(context.instance, context.run.run_id, assets)


def check_published(
    context: dg.AssetExecutionContext, project: ArchivedProject, retries: Retries, find: Find
) -> Iterator[dg.AssetCheckEvaluation]:
    """The results of all checks of the day that the step itself has just published.

    For a run of which nobody knows before whether there will be a day. A check that is planned and does not
    run makes that check of all days "Skipped" (Dagster 1.13.27); of one that is not planned nothing is left.
    A blocking one that fails fails the step, as it does where it is a step of its own.

    Raises `RetryRequested` while the step may be tried again.
    """
    name, day = project.configured_name, date.fromisoformat(context.partition_key)
    checks = {check.key(project): check for check in DAY_CHECKS}
    published = _last_materialization(context)
    for key, _, finding in _findings(context, retries, checks, name, [day], find):
        yield dg.AssetCheckEvaluation(
            **_result(context, name, key, finding),
            blocking=checks[key].blocks,
            partition=context.partition_key,
            target_materialization_data=published,
        )


def _last_materialization(context: dg.AssetExecutionContext) -> AssetCheckEvaluationTargetMaterializationData:
    """What the results are of. Dagster drops those that name another one, or none."""
    wanted = dg.AssetRecordsFilter(asset_key=context.asset_key, asset_partitions=[context.partition_key])
    (last,) = context.instance.fetch_materializations(wanted, limit=1).records
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=last.storage_id, run_id=last.run_id, timestamp=last.timestamp
    )


def _findings(
    context: StepContext,
    retries: Retries,
    keys: Iterable[dg.AssetCheckKey],
    project: str,
    days: Sequence[date],
    find: Find,
) -> Iterable[tuple[dg.AssetCheckKey, date, Finding]]:
    def find_all() -> Iterator[tuple[dg.AssetCheckKey, date, Finding]]:
        for key in sorted(keys, key=lambda key: key.name):
            for day in days:
                finding = _finding_of(context, retries, day, partial(find, key.name, project))
                if finding is not None:
                    yield key, day, finding
                else:
                    context.log.info(f"{key.name}: {day} was freed, and has nothing on this disk to look at.")

    # A step that is tried again must not report a check twice.
    return find_all() if retries.is_last(context.retry_number) else list(find_all())


def _finding_of(
    context: StepContext, retries: Retries, day: date, look: Callable[[date], Finding | None]
) -> Finding | None:
    try:
        return look(day)
    except ArchiveError as error:
        if error.transient and not retries.is_last(context.retry_number):
            with retries.archive_errors(context.retry_number):
                raise
        return Finding(Verdict(False, f"{error.what}: {error.why}"), error=error)
    except Exception as error:
        context.log.exception(f"Checking the day {day}")
        foreign = NotForeseen(day, error)
        return Finding(Verdict(False, foreign.why), error=foreign)


def _result(context: StepContext, project: str, key: dg.AssetCheckKey, finding: Finding) -> dict[str, Any]:
    """What Dagster is told of a finding, in any form."""
    owner = owner_metadata(project, tagged_id(context.run))
    warns = any(one.warns for one in CHECKS if one.name == key.name)
    metadata: Mapping[str, Any] = {**owner, **finding.numbers}
    # What nobody counted is no error: it must not keep a restored day from being zipped.
    is_warning = warns or finding.verdict.unverified or finding.verdict.only_warns
    if finding.error is not None:
        metadata, is_warning = {**owner, **parts_of_error(finding.error)}, False
    return {
        "asset_key": key.asset_key,
        "check_name": key.name,
        "passed": finding.verdict.passed,
        "severity": dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
        "description": finding.verdict.why,
        "metadata": metadata,
    }


def record_short_count(context: dg.AssetExecutionContext, project: str, error: IncompleteDay) -> None:
    """A day that stays short is not published, so its check never runs; its result is recorded here.

    Straight to the instance: what a step logs before it fails is lost. As an event of this run: Dagster takes
    a second result without a run for the same check and day as an error.
    """
    evaluation = dg.AssetCheckEvaluation(
        asset_key=context.asset_key,
        check_name=RUN_COUNT.name,
        passed=False,
        blocking=True,
        partition=context.partition_key,
        description=error.why,
        metadata={
            "fetched": error.held,
            "langsmith_now": error.total,
            "missing": error.total - error.held,
            **owner_metadata(project),
        },
    )
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name=context.run.job_name,
        event_specific_data=evaluation,
    )
    context.instance.report_dagster_event(event, run_id=context.run.run_id)
