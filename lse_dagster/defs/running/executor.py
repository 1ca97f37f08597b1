"""Dagster's in-process executor, for runs that can be told from killed ones and say for whom they wait.

Every way of Dagster to run a job here comes through it: the UI, the daemon, `dagster asset materialize`,
`dagster job execute`. `lse` runs jobs by `execute_in_process`, which has an executor of its own, and does the
same by itself.
"""

import os
from collections.abc import Iterator, Sequence

import dagster as dg

from lse_dagster.defs.dagster_internals import (
    IN_PROC_CONFIG,
    ExecutionPlan,
    InProcessExecutor,
    PlanOrchestrationContext,
    RetryMode,
)
from lse_dagster.defs.project import SHOWN_PROJECT_TAG, ArchivedProject
from lse_dagster.defs.running.living_runs import end_killed_runs, live_until_this_process_ends
from lse_dagster.defs.running.pool_waiting import is_wait_for_a_pool, told_while_waiting


class _LivingExecutor(InProcessExecutor):
    def __init__(self, projects: Sequence[ArchivedProject], retries: RetryMode) -> None:
        super().__init__(retries=retries)
        self._projects = projects

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        instance, run_id = plan_context.instance, plan_context.run_id
        live_until_this_process_ends(instance, run_id, os.getpid())
        end_killed_runs(instance)
        self._tag_with_projects(plan_context)
        with told_while_waiting(instance, run_id, plan_context.log.warning) as wait:
            for event in super().execute(plan_context, execution_plan):
                if is_wait_for_a_pool(event):
                    wait.begin()
                elif event.event_type is dg.DagsterEventType.STEP_START:
                    wait.end()
                yield event

    def _tag_with_projects(self, plan_context: PlanOrchestrationContext) -> None:
        """A run of a job has the tag from there; one of assets that were picked in the UI has none yet."""
        run = plan_context.dagster_run
        owners = [project.shown_name for project in self._projects if project.owns(run)]
        if SHOWN_PROJECT_TAG not in run.tags and (names := ", ".join(filter(None, owners))):
            plan_context.instance.add_run_tags(run.run_id, {SHOWN_PROJECT_TAG: names})


def living_in_process_executor(projects: Sequence[ArchivedProject]) -> dg.ExecutorDefinition:
    """All steps in the run's process; its config is that of Dagster's own."""

    @dg.executor(name="in_process", config_schema=IN_PROC_CONFIG)
    def in_process(context: dg.InitExecutorContext) -> _LivingExecutor:
        return _LivingExecutor(projects, RetryMode.from_config(context.executor_config["retries"]))  # type: ignore[arg-type]

    return in_process
