"""`lse open`: the page of a day or a project in the browser, on Drive, on LangSmith or in Dagster."""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

import click

from lse_dagster.advice import lse_command
from lse_dagster.cli.terminal.browser import open_in_browser
from lse_dagster.cli.terminal.console import say
from lse_dagster.cli.terminal.dates import PastDate
from lse_dagster.cli.terminal.options import project_option
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.settings import Settings

_Place = Literal["dagster", "drive", "langsmith"]
_LOCAL_UI: Final = "http://127.0.0.1:3000"


@click.command
@click.argument("place", type=click.Choice(["dagster", "drive", "langsmith"]), default="dagster")
@click.option("--date", "day", type=PastDate(), help="A UTC day: YYYY-MM-DD or `yesterday`.")
@project_option
@click.option("--print", "only_print", is_flag=True, help="Print the address, and open nothing.")
def open(place: _Place, day: date | None, project: str | None, only_print: bool) -> None:
    """Open the page of a day or a project in the browser.

    \b
    dagster     its assets (LSE_DAGSTER_URL, else the UI of `lse dev`)
    drive       the copy of the day; without --date the archive's folder
    langsmith   the project, on LangSmith

    Example: lse open drive --date 2025-08-29
    """
    from lse_dagster.cli.environment import load_settings
    from lse_dagster.cli.terminal.projects import choose_project

    settings = load_settings()
    default = settings.projects[0] if settings.projects else None
    name, settings = choose_project(settings, project)
    address = _PAGES[place](settings, name, day, default)
    say(address)
    if not only_print and not open_in_browser(address):
        say("No browser could be opened here: open the address yourself.")


def _in_dagster(settings: "Settings", project: str, day: date | None, _: str | None) -> str:
    from lse_dagster.defs.project import archived_projects

    of_project = next(one for one in archived_projects(settings.projects) if one.name == project)
    path = "/".join(quote(part) for part in of_project.key("raw_runs").path)
    partition = f"?view=partitions&partition={day}" if day is not None else ""
    return f"{settings.dagster_url or _LOCAL_UI}/assets/{path}{partition}"


def _on_drive(settings: "Settings", project: str, day: date | None, default: str | None) -> str:
    from lse_dagster.drive.archive import DriveArchive
    from lse_dagster.net.backoff import IN_PASSING
    from lse_dagster.steps.drive_copy import find_copy

    with DriveArchive.connect(settings.drive, backoff=IN_PASSING) as drive:
        if day is None:
            return drive.folder_link()
        found = find_copy(drive, project, day)
    if found is None:
        raise ArchiveError(
            f"Opening {day} of {project!r} on Drive",
            "There is no copy of it in the archive's folder.",
            lse_command("archive", project, day, default=default),
        )
    return found.web_view_link


def _on_langsmith(settings: "Settings", project: str, _day: date | None, _default: str | None) -> str:
    from lse_dagster.cli.environment import connect_langsmith
    from lse_dagster.langsmith.server import find_project, project_page

    with connect_langsmith(settings) as transport:
        page = project_page(transport.endpoint, find_project(transport, project))
    if page is None:
        raise ArchiveError(
            f"Opening {project!r} on LangSmith",
            "Its API does not say in which workspace the project lies.",
            "Open LangSmith in the browser, and choose the project there.",
        )
    return page


_PAGES: Final[dict[_Place, Callable[["Settings", str, date | None, str | None], str]]] = {
    "dagster": _in_dagster,
    "drive": _on_drive,
    "langsmith": _on_langsmith,
}
