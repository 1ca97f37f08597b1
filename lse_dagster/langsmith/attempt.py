"""One attempt at a request: what it asks, and what its failure means for the next one.

Nothing is sent here, and nobody waits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import requests
import urllib3

from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.answer import error_of, is_timeout, retry_after, unavailable, words_of
from lse_dagster.langsmith.api_key import ApiKey
from lse_dagster.langsmith.errors import CertificateRefused, InvalidAnswer, UnusableAddress
from lse_dagster.langsmith.limiter import Kind
from lse_dagster.net.certificates import CertificateError

Params = Mapping[str, str | int | Sequence[str]]

_MAY_BE_TOO_LARGE: Final = frozenset({413, 502, 503, 504, 520, 524})
"""The last two are Cloudflare's words for 502 and 504."""
_UNSENDABLE: Final = (
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

    def asks_for_less(self) -> bool:
        """Whether the next attempt asks for less than this one, which was too much."""
        return self.shrink is not None and self.shrink()


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


def failed_by(fault: Exception, call: Call, what: str, key: ApiKey, *, seconds: float) -> Failed:
    """What one of `FAULTS` means, `seconds` after the attempt began."""
    if isinstance(fault, _UNSENDABLE):
        return Failed(UnusableAddress(what, f"It cannot be sent: {type(fault).__name__}."))
    if isinstance(fault, CertificateError):
        return Failed(CertificateRefused(what, fault.why, fault.next_step))
    if isinstance(fault, TooLarge):
        if call.asks_for_less():
            return Failed(unavailable(what, str(fault)), at_once=True)
        return Failed(
            InvalidAnswer(what, f"{fault}.", "Run this again, and report it if it stays."), invalid=True
        )
    if isinstance(fault, msgspec.MsgspecError | UnicodeDecodeError):
        why = f"The answer is not what LangSmith documents: {fault}."
        return Failed(InvalidAnswer(what, why, "Run this again later."), invalid=True)
    in_vain = is_timeout(fault) and not call.asks_for_less()
    return Failed(unavailable(what, words_of(fault, key)), spent=seconds if in_vain else 0.0)


def refused(
    call: Call,
    what: str,
    key: ApiKey,
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    seconds: float,
) -> Failed:
    """What an answer means that is none, `seconds` after the attempt began."""
    is_smaller = status in _MAY_BE_TOO_LARGE and call.asks_for_less()
    if is_smaller and status == 413:
        why = "413: a page was too large, and so are smaller ones"
        return Failed(unavailable(what, why), at_once=True)
    asked = retry_after(headers) or 0.0
    return Failed(error_of(what, status, content, key), asked=asked, spent=0.0 if is_smaller else seconds)
