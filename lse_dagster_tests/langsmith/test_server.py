"""Asking a server who it is, before there is a key."""

import pytest

from lse_dagster.langsmith.server import look_at_server
from lse_dagster_tests.langsmith.odd_server import OddServer


@pytest.mark.parametrize(
    "header",
    [
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "Fri, 31 Dec 2025 23:59:59 +99999999999999999999",
        "Fri, 31 Dec 2025 23:59:59 +9999",
        "yesterday",
    ],
)
def test_a_date_that_cannot_be_tells_nothing_of_the_clock(header: str, odd: OddServer) -> None:
    odd.script = lambda question: question.answer(200, b'{"version": "0.16.3"}', {"Date": header})

    found = look_at_server(odd.url)

    assert (found.version, found.api, found.clock) == ("0.16.3", "v2", None)


def test_a_date_at_the_end_of_time_says_nothing(odd: OddServer) -> None:
    date = "Fri, 31 Dec 9999 23:59:59 GMT"
    odd.script = lambda question: question.answer(200, b'{"version": "0.15.0"}', {"Date": date})

    found = look_at_server(odd.url)

    assert found.api == "v1"
    assert found.clock is None
