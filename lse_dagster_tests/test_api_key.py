"""The API key as an environment may give it: white space around it is harmless, and none is ever stored."""

import os

import dagster as dg
import pytest

from lse_dagster.defs.failure import Retries, parts_of_failure
from lse_dagster_tests.worlds.day_archive import DayArchive, failure, materialized


def test_a_line_break_after_the_key_as_in_many_kubernetes_secrets_does_no_harm(
    archive: DayArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.api.add_runs(1)
    monkeypatch.setenv("LANGSMITH_API_KEY", os.environ["LANGSMITH_API_KEY"] + "\n")

    assert materialized(archive.materialize(["raw_runs"])) == {"raw_runs"}


def test_a_key_with_a_line_break_inside_fails_the_step_once_and_is_in_no_record(
    archive: DayArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_first_half\nlsv2_second_half")
    archive.retries = Retries(most=3)

    result = archive.materialize(["raw_runs"])

    records = archive.instance.all_logs(result.run_id)
    (failed,) = archive.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert failed.dagster_event is not None
    told = parts_of_failure(failed.dagster_event, otherwise_next="")
    assert "LANGSMITH_API_KEY holds a space, a line break" in (failure(result, "raw_runs").description or "")
    assert not [record for record in records if "half" in dg.serialize_value(record)]
    assert "half" not in "".join(told)
    assert not [record for record in records if "STEP_UP_FOR_RETRY" in str(record)]


def test_a_password_in_the_endpoint_is_not_stored(
    archive: DayArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.api.add_runs(1)
    monkeypatch.setenv("LANGSMITH_ENDPOINT", archive.api.url.replace("//", "//user:s3cr3t@"))

    result = archive.materialize(["raw_runs"])

    assert materialized(result) == {"raw_runs"}
    assert not [record for record in archive.instance.all_logs(result.run_id) if "s3cr3t" in str(record)]
    assert "s3cr3t" not in repr(archive.definitions.resources)
