"""Drive's client pieces on servers that other people wrote, which serve a part of what Drive does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import google.oauth2.credentials

from lse_dagster.drive.errors import CredentialsRejected
from lse_dagster.drive.folder_url import FolderAddress
from lse_dagster.drive.operation import Operation
from lse_dagster.drive.service import Service
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.sign_in.account import Account
from lse_dagster.drive.sign_in.credentials import open_account
from lse_dagster.net.backoff import Backoff
from lse_dagster.net.limiter import RateLimiter


@contextmanager
def operation_on(endpoint: str, settings: DriveSettings | None = None) -> Iterator[Operation]:
    """One operation with these settings' account; without settings, with a token that nobody looks at."""
    if settings is not None:
        account = open_account(settings, timeout=60)
    else:
        make: Any = google.oauth2.credentials.Credentials
        account = Account(make("unchecked"), name="nobody", timeout=60, explain=_never_asked)
    service = Service(
        account,
        folder=FolderAddress("0AnyFolderAtAll"),
        endpoint=endpoint,
        backoff=Backoff(sleep=lambda seconds: None),
        timeout=60,
        creations=RateLimiter(None),
    )
    try:
        yield Operation(service, "Talking to a server of other people")
    finally:
        service.close()


def _never_asked(code: str, words: str) -> CredentialsRejected:
    raise AssertionError("this token needs no refresh")
