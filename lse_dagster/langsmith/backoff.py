"""How long to wait before a request is sent again: exponential backoff, or what the server asks."""

from typing import Final

_FIRST: Final = 0.5
_LONGEST: Final = 30.0


def pause(attempt: int, asked: float, jitter: float) -> float:
    """Seconds. `attempt` counts from 0, `asked` is Retry-After, `jitter` a number in [0, 1).

    What the server asks for is kept to, unless that is next to nothing: it could go on so for ever.
    """
    if asked >= _FIRST:
        return asked
    return max(asked, min(_LONGEST, _FIRST * 2.0 ** min(attempt, 10)) * jitter)
