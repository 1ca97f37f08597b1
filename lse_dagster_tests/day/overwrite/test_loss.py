"""What counts as losing a run: an older form of it held what a later one does not."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from lse_dagster.day.overwrite.loss import CONTENT_FIELDS, RunForm, read_form

ENDED = {"id": "a", "status": "success", "end_time": "2025-08-29T10:00:01Z"}
SOMETHING: Mapping[str, Any] = {
    "inputs": {"q": 1},
    "outputs": {"a": 2},
    "error": "it broke",
    "events": [{"name": "end"}],
    "extra": {"runtime": {}},
    "tags": ["blue"],
    "manifest": {"lc": 1},
}
NOTHING: list[object] = [None, {}, [], ""]


def form(run: Mapping[str, Any], *, files: Mapping[str, list[str]] | None = None) -> RunForm:
    return read_form(msgspec.json.encode(run), lambda _: files or {})


WHOLE = form({**ENDED, **SOMETHING})


def test_the_matrix_has_every_content_field() -> None:
    assert SOMETHING.keys() == {*CONTENT_FIELDS}
    assert WHOLE.held == {*CONTENT_FIELDS}


@pytest.mark.parametrize("field", CONTENT_FIELDS)
@pytest.mark.parametrize("nothing", ["left out", *NOTHING], ids=repr)
def test_a_content_field_that_holds_nothing_any_more_is_lost(field: str, nothing: object) -> None:
    later = {name: content for name, content in SOMETHING.items() if name != field}

    assert form({**ENDED, **later, **({} if nothing == "left out" else {field: nothing})}).lacks(WHOLE) == {
        field
    }


@pytest.mark.parametrize("field", CONTENT_FIELDS)
def test_other_content_of_a_field_is_a_change_and_no_loss(field: str) -> None:
    other = form({**ENDED, **SOMETHING, field: {"other": "content"}})

    assert other.lacks(WHOLE) == frozenset()
    assert other.says_more_than(WHOLE)


@pytest.mark.parametrize(("field", "other_name"), [("manifest", "serialized"), ("extra", "metadata")])
def test_what_the_other_generation_of_the_api_calls_otherwise_is_not_lost(
    field: str, other_name: str
) -> None:
    later = {name: content for name, content in SOMETHING.items() if name != field}

    assert form({**ENDED, **later, other_name: {"same": "thing"}}).lacks(WHOLE) == frozenset()


@pytest.mark.parametrize("field", CONTENT_FIELDS)
def test_a_field_that_lies_in_a_file_of_its_own_is_not_lost(field: str) -> None:
    later = {name: content for name, content in SOMETHING.items() if name != field}

    assert form({**ENDED, **later}, files={field: ["00"]}).lacks(WHOLE) == frozenset()


def test_a_run_that_is_pending_again_has_lost_its_end() -> None:
    pending = form({**SOMETHING, "id": "a", "status": "pending", "end_time": None})

    assert pending.lacks(WHOLE) == {"end"}
    assert WHOLE.lacks(pending) == frozenset()


def test_what_is_beside_its_content_is_no_loss() -> None:
    costly = form({**ENDED, **SOMETHING, "total_cost": "0.1", "name": "a run", "child_run_ids": ["b"]})

    assert form({**ENDED, **SOMETHING}).lacks(costly) == frozenset()
