"""The questions of `lse init` about Google Drive."""

from pathlib import Path
from typing import Final

import click

from lse_dagster.cli.init.answers import Answers, prompt, say_why_not, tell
from lse_dagster.cli.init.directories import expect_writable

_SECONDS: Final = 10.0
_TOKEN_FILE: Final = "./google-drive-token.json"  # noqa: S105 - a place, not a token
_AUTH_TYPES: Final = ("service_account", "oauth2", "adc")


def ask_drive(answers: Answers) -> bool:
    """How to sign in, and to which folder; whether it was opened."""
    while True:
        kind = prompt(
            f"How to sign in to Google ({', '.join(_AUTH_TYPES)})",
            type=click.Choice(_AUTH_TYPES),
            default=answers.current("GOOGLE_DRIVE_AUTH_TYPE") or _AUTH_TYPES[0],
        )
        answers.given["GOOGLE_DRIVE_AUTH_TYPE"] = kind
        if kind != "adc":
            _ask_credentials(answers, kind)
        if kind == "oauth2":
            _ask_token_path(answers)
        _ask_folder(answers)
        if not answers.tested:
            return False
        if kind == "oauth2" and not has_token(answers):
            tell("The folder is looked at once you have signed in: lse auth login")
            return False
        if works := _drive_works(answers):
            return works
        if not click.confirm("Change the answers about Drive?", default=True):
            return False


def has_token(answers: Answers) -> bool:
    """Whether somebody has signed in already."""
    path = answers.settings().drive.token_path
    return path is not None and path.exists()


def _ask_credentials(answers: Answers, kind: str) -> None:
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


def _ask_token_path(answers: Answers) -> None:
    def test(value: str) -> None:
        expect_writable("GOOGLE_DRIVE_TOKEN_PATH", Path(value).expanduser().absolute().parent)

    answers.given["GOOGLE_DRIVE_TOKEN_PATH"] = answers.current("GOOGLE_DRIVE_TOKEN_PATH") or _TOKEN_FILE
    answers.ask("GOOGLE_DRIVE_TOKEN_PATH", "Where to keep the token of the sign-in", _TOKEN_FILE, test)


def _ask_folder(answers: Answers) -> None:
    def test(value: str) -> None:
        from lse_dagster.drive.folder_url import parse_folder_url

        parse_folder_url(value)

    answers.ask("GOOGLE_DRIVE_FOLDER_URL", "Address of the Drive folder", "", test)


def _drive_works(answers: Answers) -> bool:
    """Opens the folder; says what was found, or what is in the way."""
    from lse_dagster.drive.status import sign_in_status
    from lse_dagster.net.backoff import Backoff

    quickly = Backoff(tries=2, patience=_SECONDS)
    status = sign_in_status(answers.settings().drive, backoff=quickly, timeout=_SECONDS)
    if status.problem is not None:
        say_why_not(status.problem)
        return False
    if status.user is not None and status.folder is not None:
        tell(f"{status.user.email} may put files into the folder {status.folder.name!r}.")
    return True
