"""The LangSmith sandbox misbehaves on request, and only then."""

from datetime import UTC, datetime, timedelta

import pytest
import requests

from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

_MIDNIGHT = datetime(2025, 8, 30, tzinfo=UTC)


def test_hidden_runs_are_counted_but_never_shown(api: LangSmithApi, langsmith_sandbox: ControlClient) -> None:
    hidden, shown = api.add_runs(2)

    langsmith_sandbox.settings(hidden_runs=[hidden])

    assert api.v2_ids() == [shown]
    assert [run["id"] for run in api.v1(select=["id"]).json()["runs"]] == [shown]
    assert api.count() == 2


def test_deleted_runs_are_gone_as_after_retention(
    api: LangSmithApi, langsmith_sandbox: ControlClient
) -> None:
    gone, kept = api.add_runs(2)

    settings = langsmith_sandbox.settings(delete_runs=[gone])

    assert settings["delete_runs"] == []
    assert api.v2_ids() == [kept]
    assert api.count() == 1


def test_bounds_are_inclusive_or_exclusive_as_set(
    api: LangSmithApi, langsmith_sandbox: ControlClient
) -> None:
    first = api.add_run(_MIDNIGHT - timedelta(days=1))
    last = api.add_run(_MIDNIGHT)

    by_default = api.v2_ids()
    langsmith_sandbox.settings(min_inclusive=False, max_inclusive=True)
    the_other_way = api.v2_ids()

    assert (by_default, the_other_way) == ([first], [last])


def test_a_lying_server_ignores_filters_but_still_checks_them(
    api: LangSmithApi, langsmith_sandbox: ControlClient
) -> None:
    run_id = api.add_run()

    langsmith_sandbox.settings(ignore_filter=True)

    assert api.v2_ids(filter='eq(name, "nobody")') == [run_id]
    assert api.v2(filter="eq(").status_code == 400


@pytest.mark.parametrize("order", ["asc", "unsorted"])
def test_every_order_pages_through_all_runs_once(
    api: LangSmithApi, langsmith_sandbox: ControlClient, order: str
) -> None:
    ids = api.add_runs(7)

    langsmith_sandbox.settings(order=order)

    assert sorted(api.v2_ids(page_size=2)) == sorted(ids)
    if order == "asc":
        assert api.v2_ids(page_size=2) == ids


def test_an_empty_page_loses_nothing_for_those_who_go_on(
    api: LangSmithApi, langsmith_sandbox: ControlClient
) -> None:
    ids = api.add_runs(5)
    langsmith_sandbox.fault(path="/v2/runs/query", empty_page=True)
    langsmith_sandbox.fault(path="/v2/runs/query", empty_page=True, skip=1)

    pages = list(api.v2_pages(page_size=2))

    assert [len(page) for page in pages] == [0, 2, 0, 2, 1]
    assert [item["id"] for page in pages for item in page] == ids[::-1]


def test_a_repeated_cursor_leads_to_the_same_page_again(
    api: LangSmithApi, langsmith_sandbox: ControlClient
) -> None:
    api.add_runs(5)
    cursor = api.v2(page_size=2).json()["next_cursor"]
    langsmith_sandbox.fault(path="/v2/runs/query", repeat_cursor=True)

    answer = api.v2(page_size=2, cursor=cursor).json()

    assert answer["next_cursor"] == cursor
    assert len(answer["items"]) == 2


def test_an_older_server_has_no_v2(api: LangSmithApi, langsmith_sandbox: ControlClient) -> None:
    langsmith_sandbox.settings(v2=False)

    assert api.v2().status_code == 404
    assert api.get("/info").json()["version"] == "0.12.0"
    assert api.v1().status_code == 200


def test_a_page_that_would_be_too_large_is_refused(
    api: LangSmithApi, langsmith_sandbox: ControlClient
) -> None:
    for _ in range(4):
        api.add_run(inputs={"text": "x" * 1000})

    langsmith_sandbox.settings(max_page_bytes=3000)

    assert api.v2(selects=["INPUTS"]).status_code == 413
    assert api.v2(selects=["INPUTS"], page_size=2).status_code == 200


def test_large_fields_of_v1_are_elsewhere(api: LangSmithApi, langsmith_sandbox: ControlClient) -> None:
    api.add_run(inputs={"text": "x" * 1000}, outputs={"small": 1})
    langsmith_sandbox.settings(offload_bytes=500)

    select = ["inputs", "inputs_s3_urls", "outputs", "outputs_s3_urls"]
    (run,) = api.v1(select=select).json()["runs"]
    fetched = requests.get(run["inputs_s3_urls"]["ROOT"]["presigned_url"], timeout=60)

    assert (run["inputs"], run["outputs"], run["outputs_s3_urls"]) == (None, {"small": 1}, None)
    assert fetched.json() == {"text": "x" * 1000}


def test_presigned_urls_need_their_signature_and_expire(
    api: LangSmithApi, langsmith_sandbox: ControlClient
) -> None:
    api.add_run(inputs={"text": "x" * 1000})
    langsmith_sandbox.settings(offload_bytes=500, now="2025-08-29T12:00:00Z", presign_seconds=60)
    (run,) = api.v1(select=["inputs_s3_urls"]).json()["runs"]
    url = run["inputs_s3_urls"]["ROOT"]["presigned_url"]

    in_time = requests.get(url, timeout=60)
    forged = requests.get(url[:-4] + "0000", timeout=60)
    prolonged = requests.get(url.replace("expires=", "expires=9"), timeout=60)
    langsmith_sandbox.settings(now="2025-08-29T12:01:01Z")
    too_late = requests.get(url, timeout=60)

    assert in_time.status_code == 200
    assert [answer.status_code for answer in (forged, prolonged, too_late)] == [403, 403, 403]
