"""Finding a project by its name."""

import msgspec

from lse_dagster.langsmith.errors import ProjectNotFound
from lse_dagster.langsmith.transport import Transport

_PATH = "/api/v1/sessions"


class _Project(msgspec.Struct):
    id: str
    name: str


def project_id(transport: Transport, project: str) -> str:
    """The id of the project of exactly this name. Raises `ProjectNotFound`."""
    found = transport.get(
        _PATH, msgspec.json.Decoder(list[_Project]).decode, params={"name": project, "limit": 100}
    )
    for candidate in found:
        if candidate.name == project:
            return candidate.id
    raise ProjectNotFound(project, transport.endpoint)
