"""What a server says of endpoints that will go: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

_ID: Final = re.compile(r"(?<=/)[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}(?=/|$)")


class EndOfLife(msgspec.Struct, frozen=True):
    """An endpoint that is to go. Times are UTC, None where the server does not say them."""

    endpoint: str
    """Method and path, with `{id}` where an id stands."""
    deprecated_at: datetime | None = None
    gone_at: datetime | None = None

    def __str__(self) -> str:
        """In a few words."""
        since = f" since {self.deprecated_at:%Y-%m-%d}" if self.deprecated_at is not None else ""
        until = f", to be removed on {self.gone_at:%Y-%m-%d}" if self.gone_at is not None else ""
        return f"{self.endpoint} is deprecated{since}{until}"


def end_of_life(method: str, path: str, headers: Mapping[str, str]) -> EndOfLife | None:
    """What an answer says of its endpoint; None if that stays."""
    deprecation, sunset = headers.get("Deprecation"), headers.get("Sunset")
    if (deprecation is None or deprecation.strip().lower() == "false") and sunset is None:
        return None
    return EndOfLife(f"{method} {_ID.sub('{id}', path)}", _time(deprecation or ""), _time(sunset or ""))


def _time(text: str) -> datetime | None:
    """`@1688169599` (RFC 9745) or an HTTP date; older drafts said `true`."""
    with suppress(ValueError, OverflowError, OSError):
        if text.startswith("@"):
            return datetime.fromtimestamp(int(text[1:]), tz=UTC)
        return parsedate_to_datetime(text).replace(tzinfo=UTC)  # GMT, whether it is named or not
    return None
