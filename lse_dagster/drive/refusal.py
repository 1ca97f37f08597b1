"""From an answer of Drive, or a failed connection, to the error that explains it.

The one place that knows Drive's status codes and reasons (as of November 2026). Says nothing about retries:
a `PassingFault` is worth one, and `operation.py` decides how many.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from requests.structures import CaseInsensitiveDict

from lse_dagster.drive.errors import (
    AccessTokenRefused,
    AlreadyExists,
    ApiDisabled,
    DailyLimitReached,
    DriveError,
    DriveUnavailable,
    FileMissing,
    FolderFull,
    NoStorage,
    PassingFault,
    PermissionMissing,
    RateLimited,
    RequestRefused,
    ScopeMissing,
)
from lse_dagster.drive.sign_in.token_refusal import DEFAULT_LOGIN
from lse_dagster.net.backoff import retry_after

_LONGEST_WORDS = 200
_SECRETS = re.compile(
    r"(upload_id=|Bearer\s+|access_token=|refresh_token=|assertion=)[^\s&\"']+|\bya29\.[\w.-]+|\b1//[\w-]{10,}"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]+|-----BEGIN[^-]+-----.*",
    re.DOTALL,
)

_RATE_REASONS = frozenset(
    {"userRateLimitExceeded", "rateLimitExceeded", "sharingRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
)
_DAILY_REASONS = frozenset({"dailyLimitExceeded", "quotaExceeded"})
_FULL_REASONS = frozenset(
    {
        "teamDriveFileLimitExceeded",
        "teamDriveHierarchyTooDeep",
        "numChildrenInNonRootLimitExceeded",
        "activeItemCreationLimitExceeded",
    }
)
_WITHHELD_REASONS = frozenset({"cannotDownloadAbusiveFile", "cannotDownloadFile", "fileNotDownloadable"})
_SCOPE_REASONS = frozenset(
    {"appNotAuthorizedToFile", "insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
)
_DISABLED_REASONS = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})

CONSENT_AGAIN = f"sign in again: `lse auth login`; with GOOGLE_DRIVE_AUTH_TYPE=adc {DEFAULT_LOGIN}"
_WAIT = "run the same step again later"
_WAIT_LONGER = (
    f"{_WAIT}, or with fewer at a time. Where it stays so for hours, the account has sent the 750 GB that "
    "Drive takes in a day (it may say nothing else then): run again tomorrow"
)


@dataclass(frozen=True)
class Answer:
    """What a server said, whichever HTTP client carried it. `body` is the decoded JSON, or None."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], content: bytes) -> "Answer":
        """From raw parts; content that is not JSON becomes None."""
        try:
            body = json.loads(content) if content else None
        except (ValueError, RecursionError):
            body = None
        return cls(status, CaseInsensitiveDict(headers), body)

    @property
    def reasons(self) -> frozenset[str]:
        """The machine-readable reasons of a Drive error, from its old and its new form."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        if not isinstance(error, dict):
            return frozenset()
        entries = [*_dicts(error.get("errors")), *_dicts(error.get("details"))]
        return frozenset(str(entry["reason"]) for entry in entries if "reason" in entry)

    @property
    def words(self) -> str:
        """The server's own words, shortened, without anything that looks like a secret."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        said = f' "{shortened(message)}"' if isinstance(message, str) and message else ""
        reasons = ", ".join(sorted(shortened(reason) for reason in self.reasons))
        return f"Drive answered {self.status}{f' {reasons}' if reasons else ''}.{said}"


def shortened(words: str) -> str:
    """One line of at most 200 characters, secrets blotted out."""
    line = " ".join(_SECRETS.sub("[secret]", words).split())
    return line if len(line) <= _LONGEST_WORDS else line[: _LONGEST_WORDS - 1] + "…"


def explain(answer: Answer, *, what: str, account: str) -> DriveError:
    """The error for an answer that is not a success. `account` names the account in advice."""
    return _passing(answer, what) or _final(answer, what, account)


def _passing(answer: Answer, what: str) -> PassingFault | None:
    asked = retry_after(answer.headers)
    if answer.status == 429 or (answer.status == 403 and answer.reasons & _RATE_REASONS):
        return RateLimited(what, answer.words, _WAIT_LONGER, retry_after=asked)
    if answer.status >= 500 or answer.status == 408:
        return DriveUnavailable(what, answer.words, _WAIT, retry_after=asked)
    return None


def _final(answer: Answer, what: str, account: str) -> DriveError:
    if answer.status == 401:
        return AccessTokenRefused(
            what,
            f"{answer.words} It came again with a fresh access token.",
            f"check that {account} still has access to the folder, else {CONSENT_AGAIN}",
        )
    if answer.status == 403:
        return _forbidden(answer, what, account)
    if 300 <= answer.status < 400:
        return RequestRefused(
            what,
            f"{answer.words} It points elsewhere, where no access token is sent.",
            "check GOOGLE_DRIVE_ENDPOINT, and whether a proxy of the network answers for Google",
        )
    if answer.status == 404:
        return FileMissing(
            what,
            answer.words,
            f"check that the file is still there and that {account} may see it, then run again",
        )
    if answer.status == 409:
        return AlreadyExists(what, answer.words, "run the same step again")
    return RequestRefused(what, answer.words, "run again; if it stays, report the answer above")


def _forbidden(answer: Answer, what: str, account: str) -> DriveError:
    reasons, words = answer.reasons, answer.words
    if "storageQuotaExceeded" in reasons:
        return NoStorage(
            what,
            f"{words} A service account has no storage of its own; any other account's storage can be full.",
            "for a service account use a folder in a shared drive (GOOGLE_DRIVE_FOLDER_URL), or set "
            "GOOGLE_DRIVE_AUTH_TYPE=oauth2; for your own account free some storage",
        )
    if (limit := _limit_reached(answer, what)) is not None:
        return limit
    if reasons & _SCOPE_REASONS:
        return ScopeMissing(
            what, f"{words} The token was made for less than the whole of Drive.", CONSENT_AGAIN
        )
    if reasons & _DISABLED_REASONS:
        return ApiDisabled(
            what, words, "enable the Google Drive API in the Google Cloud project of the credentials"
        )
    return _not_permitted(answer, what, account)


def _not_permitted(answer: Answer, what: str, account: str) -> PermissionMissing:
    reasons, words = answer.reasons, answer.words
    if "domainPolicy" in reasons:
        return PermissionMissing(
            what,
            f"{words} The organisation's administrator has switched off Drive for apps.",
            "ask the administrator to allow this app (Google Admin console, Security > API controls)",
        )
    if reasons & _WITHHELD_REASONS:
        return PermissionMissing(
            what,
            f"{words} Drive takes the file for harmful, or its owner has switched off downloads.",
            "let the file's owner look at it in Google Drive, allow downloads or ask there for a review",
        )
    return PermissionMissing(
        what, words, f"give {account} the role Editor (in a shared drive: Content manager) on the folder"
    )


def _limit_reached(answer: Answer, what: str) -> DriveError | None:
    reasons, words = answer.reasons, answer.words
    if reasons & _FULL_REASONS:
        return FolderFull(what, words, "use another folder, or move out of it what is no archive")
    if reasons & _DAILY_REASONS:
        return DailyLimitReached(
            what, f"{words} Drive takes 750 GB per account and day.", "run again tomorrow"
        )
    if "downloadQuotaExceeded" in reasons:
        return DailyLimitReached(
            what,
            f"{words} The file was downloaded too often; Drive lifts this within a day.",
            "run again tomorrow",
        )
    return None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
