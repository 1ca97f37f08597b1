"""The questions of `lse init`, each with its test. Answers are variables of `.env`; no secret is printed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from lse_dagster.cli.doctor.machine import check_directory
from lse_dagster.cli.environment import connect_langsmith
from lse_dagster.cli.terminal.console import say, stderr
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import DEFAULT_ENDPOINT, base_url
from lse_dagster.langsmith.server import Workspace, look_at_server, look_at_workspace
from lse_dagster.settings import Settings

_MOST_SHOWN: Final = 20
_SECONDS: Final = 10.0
_TOKEN_FILE: Final = "./google-drive-token.json"  # noqa: S105 - a place, not a token
_AUTH_TYPES: Final = ("service_account", "oauth2", "adc")


def ask_for_everything(known: Mapping[str, str]) -> dict[str, str]:
    """All answers. `known` is what `.env` says now."""
    answers = _Answers(known)
    _ask_endpoint(answers)
    workspace = _ask_key(answers)
    _ask_projects(answers, workspace)
    if click.confirm("Set up Google Drive now?", default=True):
        _ask_drive(answers)
    _ask_directory(answers, "LSE_DATA_DIR", "Directory of the day folders", "./data")
    _ask_directory(answers, "LSE_ARCHIVES_DIR", "Directory of the day zips", "./archives")
    # Written even when it is the default: `dagster` has another one.
    home = str(Path(".dagster_home").absolute())
    _ask_directory(answers, "DAGSTER_HOME", "Dagster's home", home, keep=True)
    return answers.given


class _Answers:
    """What was answered so far, and what `.env` said before."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.given: dict[str, str] = {}
        self._known = known

    def current(self, name: str) -> str:
        """The answer, else what `.env` says; empty without either."""
        return self.given.get(name, self._known.get(name, ""))

    def settings(self, **more: str) -> Settings:
        """The settings as they would be. Raises `InvalidSetting`."""
        return Settings.from_environment({**self._known, **self.given, **more})

    def ask(self, name: str, question: str, default: str, test: Callable[[str], None]) -> None:
        """Ask until the test passes; it raises an `ArchiveError` for an answer that will not do."""
        while True:
            value = str(click.prompt(question, default=self.current(name) or default or None)).strip()
            try:
                test(value)
            except ArchiveError as error:
                _say_why_not(error)
                continue
            # What is the default anyway needs no line of its own.
            if value != default or self._known.get(name):
                self.given[name] = value
            return


def _ask_endpoint(answers: _Answers) -> None:
    def test(value: str) -> None:
        server = look_at_server(base_url(value))
        _say(f"LangSmith {server.version or 'of unknown version'} answers, API {server.api}.")

    answers.ask("LANGSMITH_ENDPOINT", "LangSmith's address", DEFAULT_ENDPOINT, test)


def _ask_key(answers: _Answers) -> Workspace:
    kept = bool(answers.current("LANGSMITH_API_KEY"))
    while True:
        hint = " (Enter keeps the one in .env)" if kept else ""
        typed = click.prompt(f"API key{hint}", default="", hide_input=True, show_default=False).strip()
        if not typed and not kept:
            continue
        key = {"LANGSMITH_API_KEY": typed} if typed else {}
        try:
            workspace = _look_at_workspace(answers, key)
        except ArchiveError as error:
            _say_why_not(error)
            continue
        answers.given.update(key)
        _say(f"The key works, workspace {workspace.id or 'of unknown id'}.")
        return workspace


def _look_at_workspace(answers: _Answers, key: Mapping[str, str]) -> Workspace:
    """The workspace of the key; asks which one, when the key alone is not enough."""
    from lse_dagster.langsmith.errors import Unauthorized

    try:
        with connect_langsmith(answers.settings(**key)) as transport:
            return look_at_workspace(transport)
    except Unauthorized as error:
        _say_why_not(error)
        question = "Workspace id, if the key reaches several (else Enter)"
        chosen = click.prompt(question, default="", show_default=False).strip()
        if not chosen:
            raise
        more = {**key, "LANGSMITH_WORKSPACE_ID": chosen}
        with connect_langsmith(answers.settings(**more)) as transport:
            workspace = look_at_workspace(transport)
        answers.given["LANGSMITH_WORKSPACE_ID"] = chosen
        return workspace


def _ask_projects(answers: _Answers, workspace: Workspace) -> None:
    for number, name in enumerate(workspace.projects[:_MOST_SHOWN], start=1):
        say(f"  {number:>2}  {name}")
    if len(workspace.projects) > _MOST_SHOWN:
        say(f"      and {len(workspace.projects) - _MOST_SHOWN} more")
    configured = answers.settings().projects
    places = [workspace.projects.index(name) + 1 for name in configured if name in workspace.projects]
    # By number: a name may hold a comma.
    default = ", ".join(map(str, places)) if len(places) == len(configured) else None
    while True:
        typed = click.prompt(
            "Projects to archive: numbers or names, with commas between", default=default or None
        )
        chosen = [_project(workspace, part.strip()) for part in typed.split(",") if part.strip()]
        unknown = [name for name in chosen if name not in workspace.projects]
        if chosen and not unknown:
            break
        _say(f"LangSmith has no project {', '.join(map(repr, unknown)) or 'without a name'}.")
    names = list(dict.fromkeys(chosen))
    plain = all("," not in name and not name.startswith("[") for name in names)
    answers.given["LSE_PROJECTS"] = ",".join(names) if plain else json.dumps(names, ensure_ascii=False)


def _project(workspace: Workspace, typed: str) -> str:
    if typed in workspace.projects or not typed.isdecimal():
        return typed
    number = int(typed)
    return workspace.projects[number - 1] if 1 <= number <= len(workspace.projects) else typed


def _ask_drive(answers: _Answers) -> None:
    while True:
        kind = click.prompt(
            "How to sign in to Google",
            type=click.Choice(_AUTH_TYPES),
            default=answers.current("GOOGLE_DRIVE_AUTH_TYPE") or _AUTH_TYPES[0],
        )
        answers.given["GOOGLE_DRIVE_AUTH_TYPE"] = kind
        if kind != "adc":
            _ask_credentials(answers, kind)
        if kind == "oauth2":
            _ask_token_path(answers)
        _ask_folder(answers)
        if kind == "oauth2" and not _has_token(answers):
            _say("The folder is looked at once you have signed in: lse auth login")
            return
        if _drive_works(answers) or not click.confirm("Change the answers about Drive?", default=True):
            return


def _ask_credentials(answers: _Answers, kind: str) -> None:
    def test(value: str) -> None:
        from lse_dagster.drive.sign_in.credentials import open_account
        from lse_dagster.drive.sign_in.login import read_desktop_client

        settings = answers.settings(GOOGLE_DRIVE_CREDENTIALS_PATH=value).drive
        if kind == "oauth2":
            read_desktop_client(settings.credentials_path, endpoint=settings.endpoint)
        else:
            open_account(settings, timeout=_SECONDS).close()

    question = "Service account's JSON key" if kind == "service_account" else "OAuth client file"
    answers.ask("GOOGLE_DRIVE_CREDENTIALS_PATH", question, "", test)


def _ask_token_path(answers: _Answers) -> None:
    def test(value: str) -> None:
        _expect_writable("GOOGLE_DRIVE_TOKEN_PATH", Path(value).expanduser().absolute().parent)

    answers.given["GOOGLE_DRIVE_TOKEN_PATH"] = answers.current("GOOGLE_DRIVE_TOKEN_PATH") or _TOKEN_FILE
    answers.ask("GOOGLE_DRIVE_TOKEN_PATH", "Where to keep the token of the sign-in", _TOKEN_FILE, test)


def _ask_folder(answers: _Answers) -> None:
    def test(value: str) -> None:
        from lse_dagster.drive.folder_url import parse_folder_url

        parse_folder_url(value)

    answers.ask("GOOGLE_DRIVE_FOLDER_URL", "Address of the Drive folder", "", test)


def _has_token(answers: _Answers) -> bool:
    path = answers.settings().drive.token_path
    return path is not None and path.exists()


def _drive_works(answers: _Answers) -> bool:
    """Opens the folder; says what was found, or what is in the way."""
    from lse_dagster.drive.status import sign_in_status
    from lse_dagster.net.backoff import Backoff

    quickly = Backoff(tries=2, patience=_SECONDS)
    status = sign_in_status(answers.settings().drive, backoff=quickly, timeout=_SECONDS)
    if status.problem is not None:
        _say_why_not(status.problem)
        return False
    if status.user is not None and status.folder is not None:
        _say(f"{status.user.email} may put files into the folder {status.folder.name!r}.")
    return True


def _ask_directory(answers: _Answers, name: str, question: str, default: str, *, keep: bool = False) -> None:
    def test(value: str) -> None:
        if keep and not Path(value).is_absolute():
            raise _Unusable(name, f"{value} is not an absolute path.")
        _expect_writable(name, Path(value).expanduser().absolute())

    answers.ask(name, question, default, test)
    if keep:
        answers.given[name] = answers.current(name) or default


class _Unusable(ArchiveError):
    """A directory that will not do."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"Looking at {name}", why, "Name another one.")


def _expect_writable(name: str, path: Path) -> None:
    found = check_directory(name, path, name)
    if found.level == "problem":
        raise _Unusable(name, found.text)


def _say(text: str) -> None:
    say(f"  {text}")


def _say_why_not(error: ArchiveError) -> None:
    stderr().print(f"  {error.why}", style="red", soft_wrap=True)
    say(f"  Next: {error.next_step}", error=True)
