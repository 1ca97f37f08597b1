"""The ids of runs in a page, whatever else was asked for of them."""

from collections.abc import Iterable

import msgspec

from lse_dagster.day.raw_json import RawDecoder
from lse_dagster.day.run import InvalidRun, decode_run
from lse_dagster.langsmith.errors import InvalidAnswer


class _Identified(msgspec.Struct):
    id: str


_DECODER = RawDecoder(_Identified)


def run_ids(items: Iterable[bytes | msgspec.Raw]) -> list[str]:
    """In their order. Raises `InvalidAnswer` for what has none."""
    try:
        return [decode_run(_DECODER, item).id for item in items]
    except InvalidRun as error:
        raise InvalidAnswer(
            "Reading the id of a run that LangSmith sent",
            f"{error}.",
            "Run this again, and report it if it stays.",
        ) from None
