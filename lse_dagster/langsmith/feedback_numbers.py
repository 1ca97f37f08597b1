"""How many feedback records LangSmith says that some runs have now: a query of that one field."""

from collections.abc import Sequence
from typing import Final

import msgspec

from lse_dagster.day.feedback import count_feedback
from lse_dagster.day.raw_json import RawDecoder
from lse_dagster.day.run import InvalidRun, decode_run
from lse_dagster.langsmith.errors import InvalidAnswer
from lse_dagster.langsmith.page_size import PageSize
from lse_dagster.langsmith.query import RunQueries, pages_by_id
from lse_dagster.langsmith.scope import RunScope

_IDS_PER_REQUEST: Final = 50


class _Run(msgspec.Struct):
    id: str
    feedback_stats: msgspec.Raw = msgspec.Raw(b"null")


_RUN: Final = RawDecoder(_Run)


def numbers_of_feedback(queries: RunQueries, scope: RunScope, run_ids: Sequence[str]) -> dict[str, int]:
    """By the ids of those runs that LangSmith has in this scope.

    Raises `QueryGoesInCircles`, `InvalidAnswer`, and what `Transport.post` raises.
    """
    size = PageSize(queries.largest_page, first=_IDS_PER_REQUEST)
    numbers: dict[str, int] = {}
    for start in range(0, len(run_ids), _IDS_PER_REQUEST):
        wanted = run_ids[start : start + _IDS_PER_REQUEST]
        for page in pages_by_id(queries, scope, wanted, size, queries.numbers_of_feedback):
            numbers |= map(_number, page)
    return numbers


def _number(raw: msgspec.Raw) -> tuple[str, int]:
    try:
        run = decode_run(_RUN, raw)
    except InvalidRun as error:
        raise InvalidAnswer(
            "Reading the feedback in numbers of a run",
            f"{error}.",
            "Run this again, and report it if it stays.",
        ) from error
    return run.id, count_feedback(run.feedback_stats)
