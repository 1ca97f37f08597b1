"""Times as integers: microseconds since the epoch, UTC, and the forms in which the two APIs write them."""

from datetime import UTC, datetime, timedelta

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


Time = str | int | float
"""A time as a client sends it: ISO 8601, or milliseconds since the epoch (the JavaScript SDK)."""


def parse_time(sent: Time) -> int:
    """Microseconds of a time. One without a zone is UTC, as LangSmith reads it.

    Raises `ValueError` for what is no time, or none that a calendar has.
    """
    if not isinstance(sent, str):
        try:
            return (_EPOCH + timedelta(milliseconds=sent) - _EPOCH) // _MICROSECOND
        except OverflowError as error:
            raise ValueError(f"{sent} is no time") from error
    moment = datetime.fromisoformat(sent)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def microseconds_in(value: msgspec.Raw) -> int | None:
    """Microseconds of a time in JSON; None for null, an empty text, and what is neither text nor number."""
    sent = msgspec.json.decode(value)
    is_time = isinstance(sent, str | int | float) and not isinstance(sent, bool) and sent != ""
    return parse_time(sent) if is_time else None


def to_datetime(microseconds: int) -> datetime:
    """The same time as an aware datetime."""
    return _EPOCH + timedelta(microseconds=microseconds)


def v1_time(microseconds: int | None) -> str | None:
    """Naive UTC with microseconds, no fraction if it is zero."""
    if microseconds is None:
        return None
    return to_datetime(microseconds).replace(tzinfo=None).isoformat()


def v2_time(microseconds: int | None) -> str | None:
    """RFC 3339 with `Z` and milliseconds."""
    if microseconds is None:
        return None
    return to_datetime(microseconds).strftime("%Y-%m-%dT%H:%M:%S.") + f"{microseconds // 1000 % 1000:03d}Z"


def dotted_time(microseconds: int) -> str:
    """The form inside `dotted_order`."""
    return to_datetime(microseconds).strftime("%Y%m%dT%H%M%S%fZ")


def now() -> int:
    """The real time now."""
    return (datetime.now(UTC) - _EPOCH) // _MICROSECOND
