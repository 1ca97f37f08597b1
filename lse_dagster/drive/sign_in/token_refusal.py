"""Why Google's token endpoint refuses, for each way to sign in, and what to do about it.

Knows its codes and words as of November 2026. Its words are matched and never shown: they may quote a token.
"""

from collections.abc import Callable
from pathlib import Path

from lse_dagster.drive.errors import CredentialsRejected

SCOPE = "https://www.googleapis.com/auth/drive"
"""The whole of Drive: the narrower `drive.file` cannot see a folder that a person made in the browser."""

DEFAULT_LOGIN = (
    f"`gcloud auth application-default login --scopes={SCOPE},https://www.googleapis.com/auth/cloud-platform`"
)

Explain = Callable[[str, str], CredentialsRejected]
"""From the code and the words of a refusal to the error for a person."""

_WHAT = "Signing in to Google Drive"


def stored_token_rejected(path: Path) -> Explain:
    """For the OAuth token at this path."""

    def explain(code: str, words: str) -> CredentialsRejected:
        if "eauthentication is needed" in words:
            return CredentialsRejected(
                _WHAT,
                "Google wants the account to sign in again: its organisation limits how long that lasts.",
                "run `lse auth login`; a nightly job needs a service account there",
            )
        if code == "invalid_grant":
            return CredentialsRejected(
                _WHAT,
                f"Google answered invalid_grant: the token in {path} was revoked or ran out. That happens "
                'after 7 days while the OAuth consent screen is in status "Testing", when the password '
                "changes, when access is withdrawn, or after six months without use.",
                "run `lse auth login`; against the 7 days, publish the app before (Google Auth Platform > "
                "Audience > Publish app)",
            )
        return CredentialsRejected(
            _WHAT,
            f"Google's token endpoint answered {_known(code)}: the OAuth client of the token in {path} may "
            "have been deleted, or its secret replaced.",
            "download the client's JSON again, set GOOGLE_DRIVE_CREDENTIALS_PATH to it, and run "
            "`lse auth login`",
        )

    return explain


def service_account_rejected(email: str, client_id: str, subject: str | None) -> Explain:
    """For a service account's key, with or without a person as whom it acts."""

    def explain(code: str, words: str) -> CredentialsRejected:
        if subject is not None and code in {"unauthorized_client", "access_denied"}:
            return CredentialsRejected(
                _WHAT,
                f"Google answered {code}: {email} may not act as {subject}.",
                "an administrator of the domain adds client ID "
                f"{client_id} with scope {SCOPE} (admin.google.com > Security > API controls > Domain-wide "
                "delegation; takes up to a day to work); or leave GOOGLE_DRIVE_IMPERSONATE out",
            )
        if subject is not None and "Invalid email or User ID" in words:
            return CredentialsRejected(
                _WHAT,
                f"Google answered {_known(code)}: it knows no user {subject}.",
                "set GOOGLE_DRIVE_IMPERSONATE to the address of a user of the domain",
            )
        if code == "invalid_grant":
            return CredentialsRejected(
                _WHAT, f"Google answered invalid_grant: {_why_invalid(words)}", _mend_key(email, words)
            )
        return CredentialsRejected(
            _WHAT, f"Google's token endpoint answered {_known(code)} for {email}.", _mend_key(email, words)
        )

    return explain


def default_credentials_rejected(code: str, words: str) -> CredentialsRejected:
    """For application default credentials, wherever they came from."""
    if "eauthentication is needed" in words:
        why = "Google wants the account to sign in again: its organisation limits how long that lasts."
    else:
        why = f"Google answered {_known(code)} for the application default credentials."
    return CredentialsRejected(
        _WHAT, why, f"run {DEFAULT_LOGIN}, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's key"
    )


def _why_invalid(words: str) -> str:
    if "short-lived" in words or "timeframe" in words:
        return "the clock of this computer is wrong."
    if "account not found" in words:
        return "the service account was deleted."
    return "the key was deleted or disabled, or the clock of this computer is wrong."


def _mend_key(email: str, words: str) -> str:
    if "short-lived" in words or "timeframe" in words:
        return "set the clock of this computer right (NTP), and run again"
    return (
        f"check in Google Cloud (IAM > Service accounts) that {email} and this key still exist, or add a new "
        "JSON key and set GOOGLE_DRIVE_CREDENTIALS_PATH to it"
    )


def _known(code: str) -> str:
    """The code if it looks like one of OAuth's; anything else may hold a secret."""
    return code if code.replace("_", "").isalpha() and len(code) < 40 else "an error"
