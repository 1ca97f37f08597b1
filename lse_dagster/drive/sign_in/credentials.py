"""Reads the configured credentials: a service account's key, a stored OAuth token, or Google's defaults.

`account.py` keeps the access token fresh afterwards. Every error names the variable to mend.
"""

import logging
import threading
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import google.auth
import google.auth.exceptions
import google.oauth2.service_account

from lse_dagster.drive.errors import CredentialsInvalid, CredentialsMissing
from lse_dagster.drive.refusal import shortened
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.sign_in.account import Account
from lse_dagster.drive.sign_in.stored_token import StoredToken
from lse_dagster.drive.sign_in.token_file import KEY_VARIABLE, KINDS, kind_of, read_secret_file
from lse_dagster.drive.sign_in.token_refusal import (
    DEFAULT_LOGIN,
    SCOPE,
    default_credentials_rejected,
    service_account_rejected,
    stored_token_rejected,
)

_TYPE = "GOOGLE_DRIVE_AUTH_TYPE"
_SUBJECT = "GOOGLE_DRIVE_IMPERSONATE"
_GET_KEY = (
    "in Google Cloud make a service account, add a JSON key (IAM > Service accounts > Keys), set "
    f"{KEY_VARIABLE} to the file, and share the folder with the account's e-mail address"
)
_GET_DEFAULTS = (
    f"run {DEFAULT_LOGIN}, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's key, or set "
    f"{_TYPE} to service_account or oauth2"
)


_signed_in: dict[tuple[DriveSettings, bytes, float], Account] = {}
_SIGNING_IN: Final = threading.Lock()


def signed_in_account(settings: DriveSettings, *, timeout: float) -> Account:
    """As `open_account`, but the same account, with its token, for as long as the process and the key last.

    Who looks at Drive every minute need not sign in every minute. Only a service account's token is kept:
    a stored one lies in its file. Raises as `open_account`.
    """
    if settings.auth_type != "service_account" or settings.credentials_path is None:
        return open_account(settings, timeout=timeout)
    try:
        key = sha256(settings.credentials_path.read_bytes()).digest()
    except OSError:
        return open_account(settings, timeout=timeout)  # which says what is the matter
    which = (replace(settings, folder_url=None, memory=None), key, timeout)
    with _SIGNING_IN:
        if which not in _signed_in:
            _signed_in[which] = open_account(settings, timeout=timeout)
        return _signed_in[which]


def open_account(settings: DriveSettings, *, timeout: float) -> Account:
    """The account that the settings describe; asks Google nothing yet. `timeout`: seconds per token request.

    Only `adc` may look for a metadata server. Raises `CredentialsMissing`, `CredentialsInvalid` or
    `ScopeMissing`.
    """
    if settings.impersonate is not None and settings.auth_type != "service_account":
        raise CredentialsInvalid(
            f"Reading {_SUBJECT}",
            f"Only a service account's key can act as somebody else, and {_TYPE} is {settings.auth_type}.",
            f"leave {_SUBJECT} out, or set {_TYPE}=service_account",
        )
    match settings.auth_type:
        case "service_account":
            return _service_account(settings, timeout)
        case "oauth2":
            return _oauth(settings, timeout)
        case "adc":
            return _defaults(settings, timeout)
    raise CredentialsInvalid(
        f"Reading {_TYPE}",
        "It is neither service_account nor oauth2 nor adc.",
        f"set {_TYPE} to one of the three",
    )


def _service_account(settings: DriveSettings, timeout: float) -> Account:
    path, subject = settings.credentials_path, settings.impersonate
    info = read_secret_file(path, variable=KEY_VARIABLE, next_step=_GET_KEY)
    if (kind := kind_of(info)) != "service_account":
        raise CredentialsInvalid(
            f"Reading {KEY_VARIABLE}",
            f"{path} holds {KINDS.get(kind, 'something else')}, not a service account's key.",
            f"set {_TYPE}=oauth2, or {_GET_KEY}",
        )
    try:
        make: Any = google.oauth2.service_account.Credentials.from_service_account_info
        credentials = make(info, scopes=[SCOPE], subject=subject)
        credentials.sign_bytes(b"")  # a key of another kind, or an encrypted one, is noticed here
    except (ValueError, TypeError):
        credentials = None
    if credentials is None:  # not in the handler: the library's error may quote the key
        raise CredentialsInvalid(
            f"Reading {KEY_VARIABLE}", f"{path} is not a complete service account's key.", _GET_KEY
        )
    email = str(info["client_email"])
    client_id = str(info.get("client_id") or "of the service account")
    return Account(
        credentials,
        name=subject or email,
        explain=service_account_rejected(email, client_id, subject),
        timeout=timeout,
        endpoint=settings.endpoint,
    )


def _oauth(settings: DriveSettings, timeout: float) -> Account:
    token = StoredToken(settings.token_path, settings.credentials_path, timeout=timeout)
    return Account(
        token,
        name=token.account,
        explain=stored_token_rejected(token.path),
        timeout=timeout,
        endpoint=settings.endpoint,
    )


def _defaults(settings: DriveSettings, timeout: float) -> Account:
    # Where there is nothing, google-auth warns at every step of its search; the error below says it once.
    for name in ("google.auth._default", "google.auth.compute_engine._metadata"):
        logging.getLogger(name).setLevel(logging.ERROR)
    why = ""
    try:
        credentials: Any = google.auth.default(scopes=[SCOPE])[0]
    except google.auth.exceptions.GoogleAuthError as error:
        why = shortened(str(error.args[0] if error.args else error))
    except (OSError, ValueError) as error:
        why = f"The file that was found cannot be used ({type(error).__name__})."
    if why:  # not in the handlers: the library's errors may quote the file
        raise CredentialsMissing("Looking for application default credentials", why, _GET_DEFAULTS)
    email = getattr(credentials, "service_account_email", None)
    return Account(
        credentials,
        name=email if email and email != "default" else "the account of the application default credentials",
        explain=default_credentials_rejected,
        timeout=timeout,
        endpoint=settings.endpoint,
        source=(credentials.get_cred_info() or {}).get("credential_source"),
    )
