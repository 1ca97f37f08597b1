"""All fields of a run that LangSmith has are asked for: one that is left out would be lost for good."""

from typing import get_args

import pytest
from langsmith.types import RunSelectField

from lse_dagster.day.overwrite.loss import CONTENT_FIELDS
from lse_dagster.langsmith.fields import V1_SELECT, V2_SELECTS, FieldNames
from lse_dagster.sandbox.langsmith.queries import v1


def test_of_a_v2_run_every_field_is_asked_for_that_langsmiths_sdk_knows() -> None:
    assert sorted(V2_SELECTS) == sorted(get_args(RunSelectField))


def test_of_a_v1_run_every_field_is_asked_for_that_it_has_and_that_can_be_selected() -> None:
    assert sorted(V1_SELECT) == sorted(v1.SELECTABLE & set(v1.FIELDS))


@pytest.mark.parametrize(("asked", "manifest"), [(V1_SELECT, "serialized"), (V2_SELECTS, "manifest")])
def test_the_fields_whose_loss_counts_are_asked_for(asked: FieldNames, manifest: str) -> None:
    wanted = {manifest if name == "manifest" else name for name in CONTENT_FIELDS}
    assert wanted <= {name.lower() for name in asked}
