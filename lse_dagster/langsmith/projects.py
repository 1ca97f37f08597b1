"""Finding a project by its name."""

import msgspec

from lse_dagster.langsmith.errors import ProjectNotFound
from lse_dagster.langsmith.transport import Transport

_PATH = "/api/v1/sessions"


class Project(msgspec.Struct, frozen=True):
    """A project: its id, name, and the id of the workspace that it is in."""

    id: str
    name: str
    tenant_id: str | None = None


def find_project(transport: Transport, project: str) -> Project:
    """The project of exactly this name. Raises `ProjectNotFound`."""
    found: list[Project] | None = transport.get(
        _PATH, msgspec.json.Decoder(list[Project] | None).decode, params={"name": project, "limit": 100}
    )
    for candidate in found or ():
        if candidate.name == project:
            return candidate
    raise ProjectNotFound(project, transport.endpoint)


def project_id(transport: Transport, project: str) -> str:
    """The id of the project of exactly this name. Raises `ProjectNotFound`."""
    return find_project(transport, project).id
