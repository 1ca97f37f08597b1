"""`lse auth login` and `lse auth status`: signing in to Google Drive, and who is signed in.

The flow is in `drive/sign_in/login.py`, what is known about the account in `drive/status.py`; here is the
terminal.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lse_dagster.cli.terminal.group import Commands

if TYPE_CHECKING:
    from lse_dagster.drive.sign_in.login import OAuthClient
    from lse_dagster.settings import Settings


@click.group(cls=Commands)
def auth() -> None:
    """Sign in to Google Drive, and see who is signed in.

    Example: lse auth status
    """


@auth.command(short_help="Sign in with your own account, and store the token.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser: the address is opened elsewhere.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default="any free one",
    help="Where Google's answer comes in on this machine; give it when you forward a port.",
)
@click.option(
    "--timeout",
    type=click.IntRange(1),
    default=300,
    show_default=True,
    help="Seconds to wait for the answer.",
)
@click.option("--force", is_flag=True, help="Replace a stored token without a question.")
def login(no_browser: bool, port: int, timeout: int, force: bool) -> None:
    """Sign in to Google Drive with your own account, and store the token.

    For GOOGLE_DRIVE_AUTH_TYPE=oauth2. Opens Google's consent screen in the browser and waits for the answer.
    On a machine without a browser, open the address anywhere and paste the address that it ends at.

    Example: lse auth login --no-browser
    """
    from lse_dagster.cli.environment import load_settings
    from lse_dagster.cli.terminal.console import stdout
    from lse_dagster.drive.sign_in.login import read_desktop_client
    from lse_dagster.drive.sign_in.stored_token import GET_TOKEN
    from lse_dagster.drive.sign_in.token_file import check_place, store_token
    from lse_dagster.drive.status import name_the_token

    settings = load_settings()
    _check_auth_type(settings)
    client = read_desktop_client(settings.drive.credentials_path, endpoint=settings.drive.endpoint)
    place = check_place(settings.drive.token_path, next_step=GET_TOKEN)
    _ask_before_replacing(place, force=force)
    token = _new_token(client, open_browser=not no_browser, port=port, seconds=timeout)
    store_token(place, token)
    console = stdout()
    console.print(f"Stored the token in {place} (mode 0600).", markup=False, soft_wrap=True)
    user = name_the_token(settings.drive)
    console.print(f"Signed in as {user.email} ({user.name}).", markup=False, soft_wrap=True)
    console.print("Next: lse auth status", markup=False)


@auth.command(short_help="Show who is signed in, and whether uploads would work.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def status(as_json: bool) -> None:
    """Show who is signed in, the archive's folder, its free space, and whether uploads would work.

    Ends with 0 when they would, with 1 and the reason when not. The document of --json has uploads_work,
    auth_type, impersonate, files, source, user, folder, warnings, and problem, which is null or has what,
    why and next_step.

    Example: lse auth status --json
    """
    from lse_dagster.cli.auth.report import print_json, print_report
    from lse_dagster.cli.environment import load_settings
    from lse_dagster.cli.terminal.errors import StepsFailed
    from lse_dagster.drive.status import sign_in_status

    found = sign_in_status(load_settings().drive)
    if as_json:
        print_json(found)
    else:
        print_report(found)
        if found.problem is not None:
            raise found.problem
    if found.problem is not None:
        raise StepsFailed


def _check_auth_type(settings: "Settings") -> None:
    from lse_dagster.drive.errors import SignInFailed

    if settings.drive.auth_type != "oauth2":
        raise SignInFailed(
            "Signing in with `lse auth login`",
            f"GOOGLE_DRIVE_AUTH_TYPE is {settings.drive.auth_type}, so a token would not be used.",
            "set GOOGLE_DRIVE_AUTH_TYPE=oauth2 in .env; what is used now, `lse auth status` shows",
        )


def _ask_before_replacing(place: Path, *, force: bool) -> None:
    from lse_dagster.cli.terminal.errors import Declined
    from lse_dagster.cli.terminal.questions import Question, Questioner
    from lse_dagster.drive.sign_in.token_file import whose_token

    if not place.exists():
        return
    question = Question(
        what="Signing in with `lse auth login`",
        there=f"{place} holds a token already, {whose_token(place)}.",
        consequence="A new sign-in takes its place, once it has worked.",
    )
    if not Questioner.on_terminal(force=force, silent=False, several=False).may_replace(question):
        raise Declined(f"Kept the token in {place}.")


def _new_token(client: "OAuthClient", *, open_browser: bool, port: int, seconds: int) -> dict[str, Any]:
    """Ask on Google's consent screen, wait for the answer, and change it for a token."""
    from lse_dagster.cli.auth.consent import show_question, wait_for_answer
    from lse_dagster.drive.sign_in.login import Consent
    from lse_dagster.drive.sign_in.loopback import listening

    with listening(port) as listener:
        consent = Consent.ask(client, listener.redirect_uri, listener.state)
        show_question(consent, open_browser=open_browser)
        address = wait_for_answer(listener, seconds=seconds)
        return consent.redeem(address)
