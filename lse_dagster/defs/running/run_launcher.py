"""Runs as processes of the code server, with a way for Dagster's run monitoring to see that one is gone.

Dagster's default launcher cannot be asked about its workers. A killed run, or one whose code server was
started again, would stay "started" and hold its place in a pool, and every later day would wait. Named in
`dagster.yaml` and `deploy/dagster.yaml`.
"""

from dagster import DagsterRun, DefaultRunLauncher

from lse_dagster.defs.dagster_internals import CheckRunHealthResult, WorkerStatus
from lse_dagster.defs.running.code_server import knows_run
from lse_dagster.defs.running.living_runs import state_of, why_killed


class CodeServerRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher that also answers whether a run's process lives."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """`NOT_FOUND` only if the run's lock is free here, or its code server answers and does not know it.

        A server that does not answer may be busy; a run without one was begun in a terminal, perhaps on
        another host. Nothing is known of either, so they count as running until `max_runtime_seconds`.
        Where Dagster tries killed runs again, it does so once, at once, and needs the code server for it: a
        run that was killed with its server is found when that is back.
        """
        state = state_of(self._instance, run)
        if state == "works":
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        killed = CheckRunHealthResult(WorkerStatus.NOT_FOUND, why_killed(run)) if state == "killed" else None
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return killed or CheckRunHealthResult(
                WorkerStatus.RUNNING, "It was not launched on a code server."
            )
        known = knows_run(client, run.run_id)
        if known is None:
            if killed is not None and not self._instance.run_retries_enabled:
                return killed
            return CheckRunHealthResult(WorkerStatus.RUNNING, "Its code server does not answer.")
        if killed is None and known:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return killed or CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "Its code server was restarted, and the run's process ended with it."
        )
