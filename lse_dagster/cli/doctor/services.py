"""What the doctor asks LangSmith and Google Drive: a few requests, none of them with much patience."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from lse_dagster.cli.doctor.finding import Finding, good, problem, problem_of, warning
from lse_dagster.cli.environment import connect_langsmith
from lse_dagster.errors import ArchiveError
from lse_dagster.run.times import utc_now

if TYPE_CHECKING:
    from lse_dagster.drive.status import ArchiveFolder
    from lse_dagster.net.backoff import Backoff
    from lse_dagster.settings import Settings

_PATIENCE: Final = 0.5
"""Seconds between tries, in all: a second try passes what a short fault spoils."""
_DRIVE_TIMEOUT: Final = 5.0
_CLOCK_WARNING: Final = timedelta(seconds=30)
_CLOCK_PROBLEM: Final = timedelta(minutes=10)


def check_server(settings: "Settings") -> list[Finding]:
    """Whether LangSmith answers, which API it has, and whether our clocks agree: a day is a UTC day."""
    from lse_dagster.langsmith.access import base_url
    from lse_dagster.langsmith.server import look_at_server

    endpoint = base_url(settings.langsmith.endpoint)
    try:
        server = look_at_server(endpoint)
    except ArchiveError as error:
        return [problem_of("LangSmith server", error)]
    version = server.version or "of unknown version"
    return [good("LangSmith server", f"{endpoint}, {version}, API {server.api}"), _clock(server.clock)]


def check_key(settings: "Settings") -> Finding:
    """Whether the key is good, and for which workspace."""
    from lse_dagster.langsmith.server import look_at_workspace

    try:
        with connect_langsmith(settings, patience_seconds=_PATIENCE) as transport:
            workspace = look_at_workspace(transport, most=1)
    except ArchiveError as error:
        return problem_of("LangSmith key", error)
    return good("LangSmith key", f"works, workspace {workspace.id or 'of unknown id'}")


def check_projects(settings: "Settings") -> list[Finding]:
    """Whether LangSmith has every project of LSE_PROJECTS."""
    idle = settings.idle(utc_now().date())
    if idle is not None and not settings.projects:
        return [problem_of("projects", idle)]
    impossible = {one.name: one for one in settings.impossible_projects()}
    findings = [problem_of("start date", idle)] if idle is not None else []
    findings += [problem_of(f"project {name!r}", error) for name, error in impossible.items()]
    unreachable: ArchiveError | None = None
    for project in settings.projects:
        if project in impossible:
            continue
        subject = f"project {project}"
        if unreachable is not None:
            findings.append(problem_of(subject, unreachable))  # it would wait as long again
            continue
        try:
            findings.append(_compare_id(settings, project, _look_up(settings, project)))
        except ArchiveError as error:
            findings.append(problem_of(subject, error))
            unreachable = error if error.transient else None
    return findings


def check_start_date(settings: "Settings") -> list[Finding]:
    """Whether LSE_START_DATE lies long before the first day of the archive; nothing while Drive is silent."""
    from lse_dagster.cli.status.survey import Survey, drive_copies, look_here

    impossible = {one.name for one in settings.impossible_projects()}
    names = [one for one in settings.projects if one not in impossible]
    try:
        copies = drive_copies(settings, names)
    except ArchiveError:
        return []  # told by the line about Drive
    here = look_here(settings, names).projects
    found = Survey({name: replace(one, on_drive=copies[name]) for name, one in here.items()})
    early = found.early_start(settings.start_date)
    return [warning("start date", early.why, early.next_step)] if early is not None else []


def _compare_id(settings: "Settings", project: str, found: str) -> Finding:
    """Whether LangSmith's project is the one that was archived last."""
    from lse_dagster.day.identity import is_other
    from lse_dagster.day.store import DayStore
    from lse_dagster.day.summary import InvalidSummary

    days = DayStore(settings.data_dir)
    try:
        last = next((days.find(project, day) for day in days.dates(project)[-1:]), None)
    except InvalidSummary:
        last = None
    if last is None or not is_other(last.summary.project_id, found):
        return good(f"project {project}", f"is there, id {found}")
    text = f"has the id {found}; the day {last.date} here is of another one, {last.summary.project_id}."
    next_step = "Nothing, if it was made again. Else look at LANGSMITH_API_KEY and LANGSMITH_WORKSPACE_ID."
    return warning(f"project {project}", text, next_step)


def check_drive(settings: "Settings") -> list[Finding]:
    """Whether uploads would work: the secret files, the account, the folder, its space."""
    from lse_dagster.drive.status import sign_in_status
    from lse_dagster.net.backoff import Backoff

    quickly = Backoff(tries=1, patience=_PATIENCE)
    status = sign_in_status(settings.drive, backoff=quickly, timeout=_DRIVE_TIMEOUT)
    findings = [
        warning(file.variable, f"{file.path} can be read by others.", f"chmod 600 {file.path}")
        for file in status.files
        if file.readable_by_others
    ]
    if status.user is not None:
        findings.append(good("Drive account", f"{status.user.email} ({status.auth_type})"))
    if status.folder is not None:
        free = None if status.user is None else status.user.free_bytes
        findings.append(good("Drive folder", _describe(status.folder, free)))
    if status.problem is not None:
        findings.append(problem("Drive uploads", status.problem.why, status.problem.next_step))
    elif settings.drive.folder_url:
        findings += _other_machines(settings, quickly)
    return findings


def _other_machines(settings: "Settings", quickly: "Backoff") -> list[Finding]:
    """The projects that another machine archives to Drive."""
    from lse_dagster.day.names import project_path_part
    from lse_dagster.drive.archive import DriveArchive
    from lse_dagster.drive.errors import HeldByAnother

    impossible = {one.name for one in settings.impossible_projects()}
    found = []
    try:
        with DriveArchive.connect(settings.drive, backoff=quickly, timeout=_DRIVE_TIMEOUT) as drive:
            for project in settings.projects:
                if project not in impossible:
                    try:
                        drive.expect_ours(project_path_part(project))
                    except HeldByAnother as error:
                        found.append(problem_of(f"project {project}", error))
    except ArchiveError as error:
        return [*found, problem_of("Drive uploads", error)]
    return found


def _look_up(settings: "Settings", project: str) -> str:
    from lse_dagster.langsmith.server import project_id

    with connect_langsmith(settings, patience_seconds=_PATIENCE) as transport:
        return project_id(transport, project)


def _clock(ahead: timedelta | None) -> Finding:
    if ahead is None:
        next_step = "Compare `date -u` with a clock that you trust."
        return warning("clock", "LangSmith does not say what time it is.", next_step)
    seconds = ahead.total_seconds()
    text = f"{abs(seconds):,.0f} s {'behind' if seconds > 0 else 'ahead of'} LangSmith's"
    next_step = "Set this machine's clock (NTP): Dagster's schedules and sensors go by it."
    if abs(ahead) > _CLOCK_PROBLEM:
        return problem("clock", text, next_step)
    if abs(ahead) > _CLOCK_WARNING:
        return warning("clock", text, next_step)
    return good("clock", "agrees with LangSmith's")


def _describe(folder: "ArchiveFolder", free_bytes: int | None) -> str:
    place = f"shared drive {folder.drive_name or folder.drive_id}" if folder.drive_id else "My Drive"
    space = f", {free_bytes / 1e9:,.1f} GB free" if folder.drive_id is None and free_bytes is not None else ""
    rights = "may be written" if folder.writable else "may not be written"
    return f"{folder.name} in {place}, {rights}{space}, {folder.link}"
