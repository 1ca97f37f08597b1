"""Addresses in LangSmith's own UI, built as its SDK builds them from what the API says.

A project has an address; a day of it has none that is documented.
"""

from lse_dagster.langsmith.endpoint import base_url, is_cloud
from lse_dagster.langsmith.projects import Project


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
