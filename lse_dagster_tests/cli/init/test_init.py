"""`lse init` as a person answers it, in a terminal, on the sandbox."""

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.cli.terminal import Terminal, clean_environment
from lse_dagster_tests.cli.workplace import LSE, Workplace


def in_terminal(folder: Path) -> Terminal:
    return Terminal([LSE, "init"], folder=folder, environment=clean_environment(), columns=300, lines=70)


def answer_until_drive(terminal: Terminal, env: Mapping[str, str], project: str) -> None:
    """The questions about LangSmith, answered right."""
    terminal.wait_for("LangSmith's address")
    terminal.type(env["LANGSMITH_ENDPOINT"])
    terminal.wait_for("API key (Enter keeps the one in .env):")
    terminal.type(env["LANGSMITH_API_KEY"])
    terminal.wait_for("Projects to archive")
    terminal.type(project)
    terminal.wait_for("Set up Google Drive now?")


def test_it_tests_each_answer_and_writes_a_file_that_works(workplace: Workplace) -> None:
    env, project = workplace.variables, workplace.project
    folder = workplace.folder / "new"
    folder.mkdir()
    place = folder / ".env"
    place.write_text(f"# mine\nFOO='a b'\nGOOGLE_DRIVE_ENDPOINT={env['GOOGLE_DRIVE_ENDPOINT']}\n")

    with in_terminal(folder) as terminal:
        terminal.wait_for("LangSmith's address [https://api.smith.langchain.com]")
        terminal.type("http://127.0.0.1:1")
        terminal.wait_for("Connection refused", "Next: Check LANGSMITH_ENDPOINT")
        terminal.type(env["LANGSMITH_ENDPOINT"])
        terminal.wait_for("answers, API v2", "API key:")
        terminal.type("wrong-key")
        terminal.wait_for("refuses the API key", "Workspace id")
        terminal.type("")
        terminal.wait_for("key.\nAPI key:")  # the reason was told before the workspace was asked for, too
        terminal.type(env["LANGSMITH_API_KEY"])
        terminal.wait_for("The key works", "Projects to archive")
        terminal.type("no-such-project")
        terminal.wait_for("has no project 'no-such-project'")
        terminal.type(project)
        terminal.wait_for("Set up Google Drive now?")
        terminal.type("")
        terminal.wait_for("How to sign in")
        terminal.type("")
        terminal.wait_for("JSON key:")
        terminal.type("no-such-file.json")
        terminal.wait_for("There is no file no-such-file.json")
        terminal.type(env["GOOGLE_DRIVE_CREDENTIALS_PATH"])
        terminal.wait_for("Address of the Drive folder")
        terminal.type(env["GOOGLE_DRIVE_FOLDER_URL"])
        terminal.wait_for("may put files into the folder", "day folders")
        terminal.type("")
        terminal.wait_for("day zips")
        terminal.type("./zips")
        terminal.wait_for("Dagster's home")
        terminal.type("")
        terminal.wait_for("LANGSMITH_API_KEY (added)", "Write it? [y/N]")
        terminal.type("y")
        code = terminal.wait_until_it_ends()

    assert code == 0
    assert "Next: lse doctor" in terminal.text
    assert env["LANGSMITH_API_KEY"].encode() not in terminal.sent_by_command
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.read_text().startswith("# mine\nFOO='a b'\n")
    assert dotenv_values(place) == {
        "FOO": "a b",
        "GOOGLE_DRIVE_ENDPOINT": env["GOOGLE_DRIVE_ENDPOINT"],
        "LANGSMITH_ENDPOINT": env["LANGSMITH_ENDPOINT"],
        "LANGSMITH_API_KEY": env["LANGSMITH_API_KEY"],
        "LSE_PROJECTS": project,
        "GOOGLE_DRIVE_AUTH_TYPE": "service_account",
        "GOOGLE_DRIVE_CREDENTIALS_PATH": env["GOOGLE_DRIVE_CREDENTIALS_PATH"],
        "GOOGLE_DRIVE_FOLDER_URL": env["GOOGLE_DRIVE_FOLDER_URL"],
        "LSE_ARCHIVES_DIR": "./zips",
        "DAGSTER_HOME": str(folder / ".dagster_home"),
    }


def test_an_interrupt_or_a_no_leaves_the_old_file(workplace: Workplace) -> None:
    env, place = workplace.variables, workplace.folder / ".env"
    before = place.read_bytes()

    with in_terminal(workplace.folder) as terminal:
        answer_until_drive(terminal, env, workplace.project)
        terminal.interrupt()
        interrupted = terminal.wait_until_it_ends()
    with in_terminal(workplace.folder) as terminal:
        answer_until_drive(terminal, env, workplace.project)
        terminal.type("n")
        terminal.wait_for("day folders")
        terminal.type("./elsewhere")
        terminal.wait_for("day zips")
        terminal.type("")
        terminal.wait_for("Dagster's home")
        terminal.type("")
        terminal.wait_for("LSE_DATA_DIR (added)", "Write it?")
        terminal.type("")
        declined = terminal.wait_until_it_ends()

    assert (interrupted, declined) == (130, 3)
    assert place.read_bytes() == before
    assert [path.name for path in workplace.folder.glob(".env*")] == [".env"]


def test_without_a_terminal_it_refuses(sandbox: Sandbox, workplace: Workplace) -> None:
    before = (workplace.folder / ".env").read_bytes()

    finished = workplace.lse("init")

    assert finished.returncode == 1
    assert "Without a terminal nobody can be asked." in finished.stderr
    assert (workplace.folder / ".env").read_bytes() == before
