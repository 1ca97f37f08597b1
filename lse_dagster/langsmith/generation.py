"""Which generation of the query API a server has: v2, or v1 where there is no v2 yet."""

import re

import msgspec

from lse_dagster.langsmith.errors import NoSuchEndpoint
from lse_dagster.langsmith.query import RunQueries, V1Queries, V2Queries
from lse_dagster.langsmith.transport import Transport

_PATH = "/api/v1/info"
_FIRST_WITH_V2 = (0, 16)


class _Info(msgspec.Struct):
    version: str | None = None


def choose_queries(transport: Transport) -> type[RunQueries]:
    """v2, unless the server says that it is older than 0.16."""
    try:
        version = transport.get(_PATH, msgspec.json.Decoder(_Info).decode, params={}).version
    except NoSuchEndpoint:
        version = None
    return V2Queries if has_v2(version) else V1Queries


def has_v2(version: str | None) -> bool:
    """Whether a server of this version has the v2 API; taken for granted of one that does not say."""
    numbers = re.match(r"v?(\d+)\.(\d+)", version or "")
    return numbers is None or (int(numbers[1]), int(numbers[2])) >= _FIRST_WITH_V2
