"""What a server says of endpoints that it will take away."""

from datetime import UTC, datetime

import pytest

from lse_dagster.net.end_of_life import EndOfLife, end_of_life

PATH = "/api/v1/runs/6a911ca5-5895-40bf-971b-f98c7cc2608f/share"
ENDPOINT = "GET /api/v1/runs/{id}/share"
SINCE, UNTIL = datetime(2026, 9, 1, tzinfo=UTC), datetime(2027, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Deprecation": "false"}, None),
        ({"Deprecation": "true"}, EndOfLife(ENDPOINT)),
        ({"Deprecation": "@1788220800"}, EndOfLife(ENDPOINT, SINCE)),
        ({"Deprecation": "Tue, 01 Sep 2026 00:00:00 GMT"}, EndOfLife(ENDPOINT, SINCE)),
        ({"Sunset": "Sun, 31 Jan 2027 00:00:00 GMT"}, EndOfLife(ENDPOINT, None, UNTIL)),
        ({"Deprecation": "@99999999999999999999", "Sunset": "soon"}, EndOfLife(ENDPOINT)),
    ],
)
def test_an_endpoint_is_to_go_when_the_server_says_so(
    headers: dict[str, str], expected: EndOfLife | None
) -> None:
    assert end_of_life("GET", PATH, headers) == expected
