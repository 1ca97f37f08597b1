"""What an answer of LangSmith means: which error it is, how long to wait."""

import email.utils
import time
from collections.abc import Mapping
from typing import Final

import requests
import urllib3

from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.api_key import ApiKey
from lse_dagster.langsmith.errors import (
    NoSuchEndpoint,
    PageTooLarge,
    RequestRefused,
    Unauthorized,
    Unavailable,
)
from lse_dagster.net.come_back import ComeBack

_RETRYABLE: Final = frozenset({408, 425, 429})
"""And every 5xx, also those of the proxies in between (Cloudflare: 520 to 530), but for the next."""
_NOT_THERE: Final = frozenset({404, 405, 501})
_LONGEST_WAIT: Final = 86_400.0


def error_of(what: str, status: int, content: bytes, key: ApiKey) -> ArchiveError:
    """The error for an answer that is none; `transient` where it may pass."""
    words = _shorten(key.hidden_in(content.decode("utf-8", "replace"))[:2000])
    if status in _RETRYABLE or (status >= requests.codes.server_error and status not in _NOT_THERE):
        return unavailable(what, f"{status}: {words}")
    if status in {401, 403}:
        return Unauthorized(
            what,
            f"LangSmith refuses the API key ({status}): {words}.",
            "Check LANGSMITH_API_KEY, and LANGSMITH_WORKSPACE_ID for an organisation-scoped key.",
        )
    if status == 413:
        return PageTooLarge(
            what,
            f"Even one run is too large for LangSmith to send (413): {words}.",
            "Report it to LangSmith.",
        )
    refused = NoSuchEndpoint if status in _NOT_THERE else RequestRefused
    return refused(
        what,
        f"LangSmith refuses the request ({status}): {words}.",
        "Check LANGSMITH_ENDPOINT. If it is right, report this with the text above.",
    )


def unavailable(what: str, why: str) -> Unavailable:
    """The error for what may work later."""
    return Unavailable(
        what, f"{why}.", "Check the network and https://status.smith.langchain.com, then run again."
    )


def come_back_later(what: str, why: str, asked: float, *, patience: float) -> Unavailable:
    """The error for a server that asks to wait for longer than the patience, all in seconds."""
    later = ComeBack.after(asked, patience=patience)
    return Unavailable(what, f"{why.rstrip('.')}. {later.why}", later.next_step)


def is_timeout(error: Exception) -> bool:
    """Whether the answer did not come in time."""
    return isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError)


def words_of(error: Exception, key: ApiKey) -> str:
    """What happened, without the request: its headers hold the key."""
    return _shorten(key.hidden_in(f"{type(error).__name__}: {error}"))


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:300] + " ..."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from either form of the header; None without a usable one.

    No time at all is not usable, and more than a day is a day: nobody would wait as long.
    """
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):  # the latter of a year or a zone that cannot be
            return None
    return min(seconds, _LONGEST_WAIT) if seconds > 0 else None
