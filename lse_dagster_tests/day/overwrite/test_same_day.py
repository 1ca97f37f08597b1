"""A day that comes again: kept where only the moment and signed addresses differ, written where more does."""

import json
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.day.overwrite.policy import HoldsMore
from lse_dagster.day.run_names import attachment_file_name
from lse_dagster.day.store import DayStore, Published
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import content, stage

RUN, OTHER = root(at("12:00:00")), root(at("13:00:00"))
FILE = attachment_file_name(RUN.id, "attachment", "a.png")

FORMS: dict[str, Any] = {
    "v2": lambda signature: {"attachments": {"a.png": f"https://s3/{signature}?a=1&b=2"}},
    "v1": lambda signature: {
        "s3_urls": {"attachment.a.png": {"presigned_url": f"https://s3/{signature}", "s3_url": "one"}},
        "inputs": None,
        "inputs_s3_urls": {"ROOT": {"presigned_url": f"https://s3/i/{signature}", "s3_url": "two"}},
        "outputs_s3_urls": {"ROOT": {"presigned_url": f"https://s3/o/{signature}", "s3_url": None}},
    },
}


@pytest.fixture
def store(tmp_path: Path) -> DayStore:
    return DayStore(tmp_path / "data")


def publish(store: DayStore, first: dict[str, Any], *, file: bytes = b"picture") -> Published:
    """A day of two runs, the first of which has these fields and an attachment."""
    return store.publish(stage_with(store, [RUN.raw(**first), OTHER.raw()], {FILE: file}), "superset")


@pytest.mark.parametrize("form", FORMS)
def test_a_day_whose_addresses_were_signed_anew_is_kept_with_its_zip(
    form: str, store: DayStore, tmp_path: Path
) -> None:
    zips = ZipStore(tmp_path / "archives")
    old = publish(store, FORMS[form]("yesterday")).day
    make_zip(zips, old, "superset")
    before = content(old.path)

    again = publish(store, FORMS[form]("today, and longer"))

    assert again.action == "kept"
    assert content(old.path) == before
    assert make_zip(zips, again.day, "superset").action == "kept"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("more", [{"name": "another"}, {"extra": {}}, {"end_time": None}])
def test_a_day_in_which_more_differs_is_written(form: str, more: dict[str, Any], store: DayStore) -> None:
    publish(store, FORMS[form]("yesterday"))

    again = publish(store, FORMS[form]("today") | more)

    assert again.action == "written"
    traces = [again.day.path.joinpath(name).read_text() for name in again.day.summary.trace_names()]
    assert json.dumps(more)[1:-1] in "".join(traces)


@pytest.mark.parametrize(
    "other",
    [
        {"attachments": {"b.png": "https://s3/yesterday"}},
        {"attachments": {"a.png": "https://s3/yesterday", "b.png": "https://s3/today"}},
        {"attachments": {"a.png": None}},
        {"attachments": ["https://s3/today"]},
        {"attachments": "https://s3/today"},
        {"attachments": {}},
    ],
)
def test_a_day_that_names_other_files_is_written(other: dict[str, Any], store: DayStore) -> None:
    publish(store, FORMS["v2"]("yesterday"))

    assert publish(store, other).action == "written"


def test_a_day_whose_attachment_is_another_is_not_the_same(store: DayStore) -> None:
    publish(store, FORMS["v2"]("yesterday"))

    with pytest.raises(HoldsMore, match="1 attachments"):
        publish(store, FORMS["v2"]("today"), file=b"another picture")


def test_a_day_with_other_feedback_is_written(store: DayStore) -> None:
    def fetched(signature: str, score: int) -> Published:
        record = json.dumps({"id": "opinion", "score": score}).encode()
        runs = [RUN.raw(**FORMS["v2"](signature), feedback_stats={"quality": {"n": 1}})]
        return store.publish(stage(store, runs, feedback={RUN.id: [record]}), "superset")

    fetched("yesterday", 1)

    assert fetched("today", 1).action == "kept"
    assert fetched("today", 2).action == "written"


def test_a_run_that_no_decoder_reads_is_no_reason_to_keep_the_day(store: DayStore) -> None:
    half = RUN.raw(name="an emoji, cut: \ud83d", **FORMS["v2"]("yesterday"))
    other = RUN.raw(name="an emoji, cut: \ud83e", **FORMS["v2"]("today"))
    store.publish(stage(store, [half]), "superset")

    assert store.publish(stage(store, [half]), "superset").action == "kept"
    assert store.publish(stage(store, [other]), "superset").action == "written"
