"""One project of the sandbox archived by Dagster: what the tests of the Dagster layer are written with."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.definitions import build_definitions
from lse_dagster.defs.failure import Retries
from lse_dagster.defs.progress import Progress
from lse_dagster.settings import Settings
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

DATE = date(2025, 8, 29)
NOON = datetime(2025, 8, 29, 12, tzinfo=UTC)
RAW_RUNS_CHECKS = {
    "run_count_matches_langsmith",
    "trace_count_matches_langsmith",
    "traces_are_complete",
    "files_match_summary",
    "no_pending_runs",
    "langsmith_still_had_the_day",
    "attachments_are_complete",
    "nothing_was_withdrawn",
    "feedback_is_complete",
}
ALL_CHECKS = RAW_RUNS_CHECKS | {"zip_matches_day", "drive_copy_matches_zip"}


@dataclass
class DayArchive:
    """Runs jobs as Dagster would, on one instance, with the settings of the environment."""

    api: LangSmithApi
    folder: Path
    instance: dg.DagsterInstance
    retries: Retries | None = None
    progress: Progress | None = None
    _built: tuple[object, dg.Definitions] | None = None

    @property
    def project(self) -> str:
        return self.api.project

    @property
    def days(self) -> DayStore:
        return DayStore(self.folder / "data")

    @property
    def zips(self) -> ZipStore:
        return ZipStore(self.folder / "archives")

    @property
    def definitions(self) -> dg.Definitions:
        """Kept while nothing that they are made of changes, as a code server keeps them."""
        made_of = Settings.from_environment(os.environ), self.retries, self.progress
        if self._built is None or self._built[0] != made_of:
            settings, retries, progress = made_of
            self._built = made_of, build_definitions(settings, retries=retries, progress=progress)
        return self._built[1]

    def materialize(
        self,
        assets: Sequence[str] = ("raw_runs", "day_zip", "drive_archive"),
        *,
        day: date = DATE,
        config: Mapping[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets of one day, with their checks. `config` is by asset."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            partition_key=day.isoformat(),
            asset_selection=[dg.AssetKey(name) for name in assets],
            run_config={"ops": {name: {"config": values} for name, values in (config or {}).items()}},
            raise_on_error=False,
        )

    def run(self, job: str, *, day: date = DATE, overwrite: str | None = None) -> dg.ExecuteInProcessResult:
        """Run a job for one day."""
        config = {"ops": {"raw_runs": {"config": {"overwrite": overwrite}}}} if overwrite else None
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=day.isoformat(), run_config=config, raise_on_error=False
        )

    def verify(self, *, day: date | None = DATE) -> dg.ExecuteInProcessResult:
        """Run the checks alone, for one day or for every local day."""
        return self.definitions.resolve_job_def("verify").execute_in_process(
            instance=self.instance,
            tags={"dagster/partition": day.isoformat()} if day else None,
            raise_on_error=False,
        )

    def latest_evaluation(self, asset: str, check: str) -> dg.AssetCheckEvaluation:
        """The latest result of a check that the instance knows, whoever recorded it."""
        key = dg.AssetCheckKey(dg.AssetKey(asset), check)
        record = self.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        assert record.event is not None
        assert record.event.dagster_event is not None
        return record.event.dagster_event.asset_check_evaluation_data


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Whether each check passed, by name."""
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def evaluation(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    """The evaluation of one check."""
    (found,) = [check for check in result.get_asset_check_evaluations() if check.check_name == name]
    return found


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    """The assets that were materialized."""
    return {
        event.materialization.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
    }


def failure(result: dg.ExecuteInProcessResult, node: str) -> dg.Failure:
    """What a step failed with, as the run page shows it."""
    data = result.failure_data_for_node(node)
    assert data is not None
    assert data.user_failure_data is not None
    return dg.Failure(
        description=data.user_failure_data.description, metadata=data.user_failure_data.metadata
    )
