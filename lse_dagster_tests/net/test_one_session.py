"""Every client of the product goes through the session with these manners."""

import re
from pathlib import Path

import lse_dagster

ROOT = Path(lse_dagster.__file__).parent
OTHER_CLIENTS = re.compile(
    r"requests\.(get|post|put|head|request|Session|session)\(|urllib\.request|urlopen|httplib2\.Http\(|httpx"
    r"|aiohttp|AuthorizedSession\(|urllib3\.(PoolManager|request)\("
)


def test_no_other_module_makes_requests_of_its_own() -> None:
    rooms = [path for path in ROOT.rglob("*.py") if not {"sandbox", "net"} & {*path.relative_to(ROOT).parts}]

    found = [path.name for path in rooms if OTHER_CLIENTS.search(path.read_text())]

    assert len(rooms) > 150
    assert found == []
