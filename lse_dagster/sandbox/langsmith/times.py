"""Times as integers: microseconds since the epoch, UTC, and the forms in which the two APIs write them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse_time(text: str) -> int:
    """Microseconds of an ISO 8601 time; without a zone it is UTC, as LangSmith reads it."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


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
