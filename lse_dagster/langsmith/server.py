"""What is asked of the server itself: who it is, its clock, which API it has, its projects and their pages.

One request each.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import requests

from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import base_url, expect_usable, is_cloud
from lse_dagster.langsmith.errors import (
    CertificateRefused,
    NoSuchEndpoint,
    ProjectNotFound,
    QueryGoesInCircles,
    Unavailable,
    UnusableAddress,
)
from lse_dagster.langsmith.queries import RunQueries, V1Queries, V2Queries
from lse_dagster.langsmith.refusal import UNSENDABLE, Params
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.certificates import CertificateError
from lse_dagster.net.faults import fault_sentence
from lse_dagster.net.page_trail import PageTrail
from lse_dagster.net.server_time import date_of
from lse_dagster.net.session import Session
from lse_dagster.run.times import utc_now

_INFO_PATH = "/api/v1/info"
_FIRST_WITH_V2 = (0, 16)
_SECONDS = 10.0
_PAGE = 100


class _Info(msgspec.Struct):
    version: str | None = None


_INFO = msgspec.json.Decoder(_Info)


class Project(msgspec.Struct, frozen=True):
    """A project, which the API calls a session; and the id of the workspace that it is in."""

    id: str
    name: str
    tenant_id: str | None = None


_PROJECTS: msgspec.json.Decoder[list[Project] | None] = msgspec.json.Decoder(list[Project] | None)


@dataclass(frozen=True)
class Server:
    """`clock` is how far the server's clock is ahead of ours, to about a second; None if it does not say."""

    version: str | None
    api: str
    clock: timedelta | None


@dataclass(frozen=True)
class Workspace:
    """What a key reaches: the workspace's id, and the names of its projects, the newest first."""

    id: str | None
    projects: tuple[str, ...]


def choose_queries(transport: Transport) -> type[RunQueries]:
    """v2, unless the server says that it is older than 0.16."""
    try:
        return _generation(transport.get(_INFO_PATH, _INFO.decode, params={}).version)
    except NoSuchEndpoint:
        return _generation(None)


def _generation(version: str | None) -> type[RunQueries]:
    """The queries that a server of this version knows: v2 is taken for granted of one that does not say."""
    numbers = re.match(r"v?(\d+)\.(\d+)", version or "")
    is_old = numbers is not None and (int(numbers[1]), int(numbers[2])) < _FIRST_WITH_V2
    return V1Queries if is_old else V2Queries


def look_at_server(
    endpoint: str, *, now: Callable[[], datetime] = utc_now, timeout: float = _SECONDS
) -> Server:
    """Ask the server who it is; no key is sent. `now` is our clock.

    Raises `UnusableAddress`, `Unavailable`, `CertificateRefused`.
    """
    expect_usable(endpoint)
    what = f"Asking {endpoint} who it is"
    next_step = "Check LANGSMITH_ENDPOINT, the network and https://status.smith.langchain.com."
    began = now()
    try:
        with Session() as session:
            # An answer that a cache has kept has the date of then.
            answer = session.get(
                endpoint + _INFO_PATH, headers={"Cache-Control": "no-cache"}, timeout=timeout
            )
        if answer.status_code != requests.codes.ok:  # `raise_for_status` takes a redirect for an answer
            raise Unavailable(what, f"The server answered {answer.status_code}.", next_step)
        version = _INFO.decode(answer.content).version
    except CertificateError as error:
        raise CertificateRefused(what, error.why, error.next_step) from None
    except UNSENDABLE as error:
        raise UnusableAddress(what, f"It cannot be sent: {type(error).__name__}.") from None
    except (requests.RequestException, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unavailable(what, fault_sentence(error), next_step) from None
    middle = began + (now() - began) / 2
    said = date_of(answer.headers)
    # Cut to the second: the server's clock was half a second further.
    ahead = said - middle + timedelta(seconds=0.5) if said is not None else None
    return Server(version, _generation(version).name, ahead)


def look_at_workspace(transport: Transport, *, most: int = 1000) -> Workspace:
    """What the key reaches; of the projects at most so many. Raises `Unauthorized` and the like."""
    projects: list[Project] = []
    trail = PageTrail(
        lambda what_came: QueryGoesInCircles(
            "Listing the projects of the workspace",
            f"LangSmith gave {what_came}.",
            "Run this again, and report it to LangSmith if it stays. LSE_PROJECTS can be written by hand.",
        )
    )
    while len(projects) < most:
        page = _projects(transport, {"limit": min(_PAGE, most), "offset": len(projects)})
        projects += page
        if len(page) < _PAGE:
            break
        trail.after(str(len(projects)), (project.name for project in page))
    return Workspace(
        id=next((project.tenant_id for project in projects if project.tenant_id), None),
        projects=tuple(project.name for project in projects),
    )


def find_project(transport: Transport, project: str) -> Project:
    """The project of exactly this name. Raises `ProjectNotFound`."""
    for candidate in _projects(transport, {"name": project, "limit": _PAGE}):
        if candidate.name == project:
            return candidate
    raise ProjectNotFound(project, transport.endpoint, _names_there(transport))


def _names_there(transport: Transport) -> tuple[str, ...]:
    """The names to compare a misspelled one with; none where they cannot be had."""
    try:
        return look_at_workspace(transport).projects
    except ArchiveError:
        return ()


def _projects(transport: Transport, params: Params) -> list[Project]:
    return transport.get("/api/v1/sessions", _PROJECTS.decode, params=params) or []


def project_id(transport: Transport, project: str) -> str:
    """The id of the project of exactly this name. Raises `ProjectNotFound`."""
    return find_project(transport, project).id


def project_page(endpoint: str, project: Project) -> str | None:
    """Where LangSmith shows the project; None where the API does not name its workspace."""
    if project.tenant_id is None:
        return None
    return f"{_ui(endpoint)}/o/{project.tenant_id}/projects/p/{project.id}"


def _ui(endpoint: str) -> str:
    """Where the UI is. The SDK tells a server of one's own by a path that ends in `/api`."""
    from langsmith.utils import get_host_url  # with it comes half the SDK: a tenth of a second

    base = base_url(endpoint)
    address: str = get_host_url(None, base if is_cloud(base) else f"{base}/api")
    return address
