"""`lse init` as a person answers it, in a terminal, on the sandbox."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from dotenv import dotenv_values

from lse_dagster.run.times import utc_now
from lse_dagster.sandbox.environment import write_env_file
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.cli.terminal import Terminal, clean_environment
from lse_dagster_tests.cli.workplace import DATE, LSE, Workplace


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
        terminal.wait_for("(else Enter):\nAPI key:")  # the reason was told before the workspace was asked for
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
        terminal.wait_for("may put files into the folder", "no day on Drive yet", "First day of the archive")
        terminal.type("2999-01-01")
        terminal.wait_for("2999-01-01 is not here yet")
        terminal.type("2025-08-01")
        terminal.wait_for("schedules on? [Y/n]")
        terminal.type("y")
        terminal.wait_for("day folders")
        terminal.type("")
        terminal.wait_for("day zips")
        terminal.type("./zips")
        terminal.wait_for("Dagster's home")
        terminal.type("")
        terminal.wait_for("LANGSMITH_API_KEY (added)", "Write it? [y/N]")
        terminal.type("y")
        code = terminal.wait_until_it_ends()

    assert code == 0
    assert terminal.lines[-1] == "Next: lse archive --date yesterday"
    assert f"The first, '{project}', is meant by `lse` where no --project is given" in terminal.text
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
        "LSE_START_DATE": "2025-08-01",
        "LSE_SCHEDULES": "on",
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
    assert f"Interrupted. Nothing was written: {place} is as it was." in terminal.text
    with in_terminal(workplace.folder) as terminal:
        answer_until_drive(terminal, env, workplace.project)
        terminal.type("n")
        terminal.wait_for("First day of the archive [2025-08-01]:")
        terminal.type("")
        terminal.wait_for("schedules on? [Y/n]")  # `nightly` in its .env
        terminal.type("")
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


def test_the_archive_begins_with_the_oldest_day_on_drive(archived: Workplace) -> None:
    folder = archived.folder / "new"
    folder.mkdir()
    write_env_file(folder / ".env", {**archived.variables, "LSE_START_DATE": ""})

    with in_terminal(folder) as terminal:
        answer_until_drive(terminal, archived.variables, archived.project)
        for question in ("How to sign in", "JSON key", "Address of the Drive folder", "First day"):
            terminal.type("")
            terminal.wait_for(question)
        screen = terminal.text
        terminal.interrupt()

    assert f"The oldest day on Drive is {DATE}, of '{archived.project}'." in screen
    assert f"First day of the archive [{DATE}]:" in screen


def test_without_a_network_it_asks_nobody_and_offers_what_the_environment_says(tmp_path: Path) -> None:
    """And needs no .env: what is not there is not said to be as it was."""
    environment = {
        **clean_environment(),
        "LANGSMITH_API_KEY": "secret-key-of-the-shell",
        "LANGSMITH_ENDPOINT": "http://no-such-host.invalid",
        "LSE_PROJECTS": "first, second",
    }
    for ending in ("interrupt", "the end"):
        with Terminal(
            [LSE, "init", "--no-test"], folder=tmp_path, environment=environment, columns=80
        ) as terminal:
            terminal.wait_for("LangSmith's address [http://no-such-host.invalid]:")
            terminal.type("")
            terminal.wait_for("API key (Enter keeps the one in the environment):")
            terminal.type("")
            terminal.wait_for("with commas between", "[first, second]:")
            if ending == "interrupt":
                terminal.interrupt()
                assert terminal.wait_until_it_ends() == 130
                assert "Interrupted. Nothing was written: there is no" in terminal.text
                continue
            terminal.type("")
            terminal.wait_for(
                "The first, 'first', is meant", "Those of the others have a", "Set up Google Drive"
            )
            terminal.type("n")
            for question in ("14 days", "schedules on?", "day folders", "day zips", "Dagster's home"):
                terminal.wait_for(question)
                terminal.type("")
            code = terminal.wait_until_it_ends()

    assert (code, terminal.lines[-1]) == (0, "Next: lse doctor")
    assert b"secret-key" not in terminal.sent_by_command
    written = dotenv_values(tmp_path / ".env")
    start = written.pop("LSE_START_DATE")
    assert start is not None
    assert (utc_now().date() - date.fromisoformat(start)).days in {13, 14}  # as midnight may have passed
    assert written == {
        "LANGSMITH_API_KEY": "secret-key-of-the-shell",
        "LANGSMITH_ENDPOINT": "http://no-such-host.invalid",
        "LSE_PROJECTS": "first,second",
        "DAGSTER_HOME": str(tmp_path / ".dagster_home"),
    }


def test_what_is_wrong_in_a_file_is_asked_about_and_a_long_answer_is_shown_once(tmp_path: Path) -> None:
    """And what only the shell says is written, too: cron has another shell."""
    folder = f"https://drive.google.com/drive/folders/{'1abcdefgh' * 4}"
    (tmp_path / ".env").write_text(
        "LANGSMITH_API_KEY=secret\nLSE_START_DATE=yesterday\nLSE_SCHEDULES=yes\nLSE_RETENTION_DAYS=two\n"
        f"GOOGLE_DRIVE_AUTH_TYPE=adc\nGOOGLE_DRIVE_FOLDER_URL={folder}\n"
    )
    environment = {**clean_environment(), "LANGSMITH_WORKSPACE_ID": "other", "LSE_PROJECTS": "mine"}
    command = [LSE, "init", "--no-test"]
    with Terminal(command, folder=tmp_path, environment=environment, columns=80) as terminal:
        for question in ("address", "API key", "Projects", "Set up Google Drive", "(service_account, oauth2"):
            terminal.wait_for(question)
            terminal.type("")
        terminal.wait_for(f"{folder[:60]}")
        shown = terminal.text.count(folder[:60])
        terminal.type("")
        terminal.wait_for("First day of the archive [yesterday]:")
        terminal.type("")
        terminal.wait_for("'yesterday' is not a date")
        terminal.type("2025-08-01")
        for question in ("schedules on?", "day folders", "day zips", "Dagster's home"):
            terminal.wait_for(question)
            terminal.type("")
        terminal.wait_for("Write it?")
        terminal.type("y")
        code = terminal.wait_until_it_ends()

    assert (code, shown, terminal.lines[-1]) == (0, 1, "Next: lse doctor")
    written = dotenv_values(tmp_path / ".env")
    assert (written["LSE_START_DATE"], written["LSE_SCHEDULES"]) == ("2025-08-01", "on")
    assert written["LANGSMITH_WORKSPACE_ID"] == "other"


def test_without_a_terminal_it_refuses(sandbox: Sandbox, workplace: Workplace) -> None:
    before = (workplace.folder / ".env").read_bytes()

    finished = workplace.lse("init")

    assert finished.returncode == 1
    assert "Without a terminal nobody can be asked." in finished.stderr
    assert (workplace.folder / ".env").read_bytes() == before
