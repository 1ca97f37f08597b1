"""What an answer of LangSmith means, or that none came: which error it is, and whether to ask again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import requests
import urllib3

from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import ApiKey
from lse_dagster.langsmith.errors import (
    CertificateRefused,
    InvalidAnswer,
    NoSuchEndpoint,
    PageTooLarge,
    RequestRefused,
    Unauthorized,
    Unavailable,
    UnusableAddress,
    shorten,
)
from lse_dagster.net.backoff import ComeBack, retry_after
from lse_dagster.net.certificates import CertificateError
from lse_dagster.net.faults import fault_sentence
from lse_dagster.net.limiter import Kind

_RETRYABLE: Final = frozenset({408, 425, 429})
"""And every 5xx, also those of the proxies in between (Cloudflare: 520 to 530), but for the next."""
_NOT_THERE: Final = frozenset({404, 405, 501})


def _error_of(what: str, status: int, content: bytes, key: ApiKey) -> ArchiveError:
    """The error for an answer that is none; `transient` where it may pass."""
    words = shorten(key.hidden_in(content.decode("utf-8", "replace"))[:2000])
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


def _is_timeout(error: Exception) -> bool:
    """Whether the answer did not come in time."""
    return isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError)


Params = Mapping[str, str | int | Sequence[str]]

_MAY_BE_TOO_LARGE: Final = frozenset({413, 502, 503, 504, 520, 524})
"""The last two are Cloudflare's words for 502 and 504."""
UNSENDABLE: Final = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)
"""Their words repeat what is wrong, which may be a secret."""


class TooLarge(Exception):
    """An answer is larger than any that is taken."""


FAULTS: Final = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    TooLarge,
    msgspec.MsgspecError,
    UnicodeDecodeError,
)
"""What sending a request and decoding its answer may raise."""


@dataclass(frozen=True)
class Call:
    """One request, as often as it is sent."""

    method: str
    path: str
    params: Params | None = None
    body: Callable[[], object] | Mapping[str, object] | None = None
    kind: Kind = "other"
    shrink: Callable[[], bool] | None = None
    """Lets the next attempt ask for less than this one, which may have been too much; whether it can."""

    def ask_for_less_after(self, outcome: Exception | int) -> bool:
        """Shrink it where less may come in place of this fault or status; whether it is smaller now."""
        if isinstance(outcome, int):
            is_too_much = outcome in _MAY_BE_TOO_LARGE
        else:
            is_too_much = isinstance(outcome, TooLarge) or _is_timeout(outcome)
        return is_too_much and self.shrink is not None and self.shrink()


@dataclass
class Failed(Exception):
    """An attempt that failed. `asked` and `spent` are seconds."""

    error: ArchiveError
    asked: float = 0.0
    """How long the server asks to wait."""
    spent: float = 0.0
    """How long an answer has been waited for that did not come, or was a refusal."""
    at_once: bool = False
    """Whether the next attempt need not wait: it is another one."""
    invalid: bool = False
    """Whether an answer came and was none."""


def failed_by(fault: Exception, what: str, *, seconds: float, asks_for_less: bool) -> Failed:
    """What one of `FAULTS` means, `seconds` after the attempt began.

    `asks_for_less`: whether the next attempt does, so that this one was not in vain.
    """
    if isinstance(fault, UNSENDABLE):
        return Failed(UnusableAddress(what, f"It cannot be sent: {type(fault).__name__}."))
    if isinstance(fault, CertificateError):
        return Failed(CertificateRefused(what, fault.why, fault.next_step))
    if isinstance(fault, TooLarge):
        if asks_for_less:
            return Failed(unavailable(what, str(fault)), at_once=True)
        return Failed(
            InvalidAnswer(what, f"{fault}.", "Run this again, and report it if it stays."), invalid=True
        )
    if isinstance(fault, msgspec.MsgspecError | UnicodeDecodeError):
        why = f"The answer is not what LangSmith documents: {fault}."
        return Failed(InvalidAnswer(what, why, "Run this again later."), invalid=True)
    in_vain = _is_timeout(fault) and not asks_for_less
    return Failed(unavailable(what, fault_sentence(fault).rstrip(".")), spent=seconds if in_vain else 0.0)


def refused(
    what: str,
    key: ApiKey,
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    seconds: float,
    asks_for_less: bool,
) -> Failed:
    """What an answer means that is none; the rest as for `failed_by`."""
    if asks_for_less and status == 413:
        why = "413: a page was too large, and so are smaller ones"
        return Failed(unavailable(what, why), at_once=True)
    asked = retry_after(headers) or 0.0
    return Failed(_error_of(what, status, content, key), asked=asked, spent=0.0 if asks_for_less else seconds)
