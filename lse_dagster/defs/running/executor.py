"""Dagster's in-process executor, for runs that can be told from killed ones and say for whom they wait.

Every way of Dagster to run a job here comes through it: the UI, the daemon, `dagster asset materialize`,
`dagster job execute`. `lse` runs jobs by `execute_in_process`, which has an executor of its own, and does the
same by itself.
"""

import os
from collections.abc import Iterator

import dagster as dg

from lse_dagster.defs.dagster_internals import (
    IN_PROC_CONFIG,
    ExecutionPlan,
    InProcessExecutor,
    PlanOrchestrationContext,
    RetryMode,
)
from lse_dagster.defs.running.living_runs import end_killed_runs, live_until_this_process_ends
from lse_dagster.defs.running.pool_waiting import is_wait_for_a_pool, told_while_waiting


class _LivingExecutor(InProcessExecutor):
    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        instance, run_id = plan_context.instance, plan_context.run_id
        live_until_this_process_ends(instance, run_id, os.getpid())
        end_killed_runs(instance)
        with told_while_waiting(instance, run_id, plan_context.log.warning) as wait:
            for event in super().execute(plan_context, execution_plan):
                if is_wait_for_a_pool(event):
                    wait.begin()
                elif event.event_type is dg.DagsterEventType.STEP_START:
                    wait.end()
                yield event


@dg.executor(name="in_process", config_schema=IN_PROC_CONFIG)
def living_in_process_executor(context: dg.InitExecutorContext) -> _LivingExecutor:
    """All steps in the run's process; its config is that of Dagster's own."""
    return _LivingExecutor(retries=RetryMode.from_config(context.executor_config["retries"]))  # type: ignore[arg-type]
