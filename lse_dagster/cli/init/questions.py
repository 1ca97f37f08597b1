"""The questions of `lse init`, each with its test. Answers are variables of `.env`; no secret is printed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from lse_dagster.cli.environment import connect_langsmith
from lse_dagster.cli.init.answers import Answers, Unusable, prompt, say_why_not, tell
from lse_dagster.cli.init.directories import ask_directory
from lse_dagster.cli.init.drive_questions import ask_drive
from lse_dagster.cli.init.start_date import ask_start_date
from lse_dagster.cli.terminal.console import stdout
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import DEFAULT_ENDPOINT, base_url
from lse_dagster.langsmith.server import Workspace, look_at_server, look_at_workspace
from lse_dagster.net.addresses import is_web_address

_MOST_SHOWN: Final = 20


def ask_for_everything(answers: Answers) -> bool:
    """All questions, in order; whether Drive was opened."""
    _ask_endpoint(answers)
    _ask_projects(answers, _ask_key(answers))
    on_drive = click.confirm("Set up Google Drive now?", default=True)
    drive_works = on_drive and ask_drive(answers)
    ask_start_date(answers, drive_works=drive_works)
    _ask_schedules(answers, on_drive=on_drive)
    ask_directory(answers, "LSE_DATA_DIR", "Directory of the day folders", "./data")
    ask_directory(answers, "LSE_ARCHIVES_DIR", "Directory of the day zips", "./archives")
    # Written even when it is the default: `dagster` has another one.
    home = str(Path(".dagster_home").absolute())
    ask_directory(answers, "DAGSTER_HOME", "Dagster's home", home, keep=True)
    return drive_works


def _ask_endpoint(answers: Answers) -> None:
    def test(value: str) -> None:
        if not is_web_address(base_url(value)):
            raise Unusable(
                "LANGSMITH_ENDPOINT", "It is no web address.", f"Write one like {DEFAULT_ENDPOINT}."
            )
        if answers.tested:
            server = look_at_server(base_url(value))
            tell(f"LangSmith {server.version or 'of unknown version'} answers, API {server.api}.")

    answers.ask("LANGSMITH_ENDPOINT", "LangSmith's address", DEFAULT_ENDPOINT, test)


def _ask_key(answers: Answers) -> Workspace:
    """What the key reaches; of one that is not tested nothing is known."""
    name = "LANGSMITH_API_KEY"
    kept = answers.current(name)
    while True:
        hint = f" (Enter keeps the one in {answers.place_of(name)})" if kept else ""
        typed = prompt(f"API key{hint}", default="", hide_input=True, show_default=False).strip()
        if not typed and not kept:
            continue
        key = {name: typed or kept}
        try:
            workspace = _look_at_workspace(answers, key) if answers.tested else Workspace(None, ())
        except ArchiveError as error:
            say_why_not(error)
            continue
        if workspace is None:
            continue
        answers.given.update(key)
        if answers.tested:
            tell(f"The key works, workspace {workspace.id or 'of unknown id'}.")
        return workspace


def _look_at_workspace(answers: Answers, key: Mapping[str, str]) -> Workspace | None:
    """The workspace of the key; asks which one, when the key alone is not enough. None: it is not named."""
    from lse_dagster.langsmith.errors import Unauthorized

    try:
        with connect_langsmith(answers.settings(**key)) as transport:
            return look_at_workspace(transport)
    except Unauthorized as error:
        say_why_not(error)
        question = "Workspace id, if the key reaches several (else Enter)"
        chosen = prompt(question, default="", show_default=False).strip()
        if not chosen:
            return None
        more = {**key, "LANGSMITH_WORKSPACE_ID": chosen}
        with connect_langsmith(answers.settings(**more)) as transport:
            workspace = look_at_workspace(transport)
        answers.given["LANGSMITH_WORKSPACE_ID"] = chosen
        return workspace


def _ask_projects(answers: Answers, workspace: Workspace) -> None:
    for number, name in enumerate(workspace.projects[:_MOST_SHOWN], start=1):
        tell(f"{number:>2}  {name}")
    if len(workspace.projects) > _MOST_SHOWN:
        tell(f"    and {len(workspace.projects) - _MOST_SHOWN} more")
    configured = answers.settings().projects
    places = [workspace.projects.index(name) + 1 for name in configured if name in workspace.projects]
    # By number: a name may hold a comma.
    default = ", ".join(map(str, places)) if len(places) == len(configured) else None
    if not answers.tested:
        default = answers.current("LSE_PROJECTS")
    question = "Projects to archive: names" if not answers.tested else "Projects to archive: numbers or names"
    while True:
        typed = prompt(f"{question}, with commas between", default=default or None)
        if typed == default and not answers.tested:
            chosen = list(configured)
        else:
            chosen = [_project(workspace, part.strip()) for part in typed.split(",") if part.strip()]
        unknown = [name for name in chosen if answers.tested and name not in workspace.projects]
        if chosen and not unknown:
            break
        tell(f"LangSmith has no project {', '.join(map(repr, unknown)) or 'without a name'}.")
    names = list(dict.fromkeys(chosen))
    plain = all("," not in name and not name.startswith("[") for name in names)
    answers.given["LSE_PROJECTS"] = ",".join(names) if plain else json.dumps(names, ensure_ascii=False)
    others = " Those of the others have a prefix." if len(names) > 1 else ""
    tell(
        f"The first, {names[0]!r}, is meant by `lse` where no --project is given, and has the plain assets "
        f"raw_runs, day_zip and drive_archive.{others}"
    )


def _project(workspace: Workspace, typed: str) -> str:
    if typed in workspace.projects or not typed.isdecimal():
        return typed
    number = int(typed)
    return workspace.projects[number - 1] if 1 <= number <= len(workspace.projects) else typed


def _ask_schedules(answers: Answers, *, on_drive: bool) -> None:
    """`nightly` counts as on, and stays what it is."""
    name = "LSE_SCHEDULES"
    now = answers.current(name)
    stdout().print("While Dagster runs (lse dev, or a server), it can archive every night by itself.")
    wanted = click.confirm("Switch its schedules on?", default=now != "off" if now else on_drive)
    if wanted or now:
        right = answers.settings().schedules  # `on` if it is wrong
        answers.given[name] = ("on" if right == "off" else right) if wanted else "off"
