"""Telling people: one POST of `{"text": ...}`, which Slack's incoming webhooks and many others take.

And telling a dead man's switch that all is well: there silence is the alarm.

The addresses are secrets: neither they nor an error or a log line that holds one leave this module.
"""

from collections.abc import Callable
from typing import Final

import requests

from lse_dagster.errors import ArchiveError, printable
from lse_dagster.net.certificates import CertificateError
from lse_dagster.net.faults import fault_sentence
from lse_dagster.net.session import Session, unlogged

_TIMEOUT_SECONDS: Final = 30.0
"""Some take long to answer. Who gives up earlier sends the same message again, though it was taken."""
_PING_SECONDS: Final = 10.0
_REFUSED: Final = range(400, 500)
_LATER: Final = frozenset({408, 425, 429})
"""No refusals, though they are among them."""
_SLACK: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""What Slack would read as a mention of everybody (`<!channel>`) or as a link with another text."""
_OF_THE_ADDRESS: Final = frozenset({401, 403, 404, 405, 407, 410})


class NotDelivered(ArchiveError):
    """The webhook did not take a message."""

    transient = True

    def __init__(self, why: str, *, status: int | None = None) -> None:
        super().__init__(
            "Sending a message to LSE_WEBHOOK_URL", why, "It is sent again. Check the address if this stays."
        )
        self.refused = status in _REFUSED and status not in _LATER
        """Whether the server would hardly take the same message later."""
        self.is_of_the_message = self.refused and status not in _OF_THE_ADDRESS
        """Else it refuses, perhaps, whatever comes: somebody must change something first."""


class NotPinged(ArchiveError):
    """The dead man's switch was not reached."""

    transient = True

    def __init__(self, why: str) -> None:
        super().__init__(
            "Telling LSE_PING_URL that all is well", why, "It is told again. Check the address if this stays."
        )


class DeadMansSwitch:
    """One address, http or https, that raises the alarm by itself when nobody has asked for it in time."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "DeadMansSwitch(...)"

    def ping(self) -> None:
        """GET the address. Raises `NotPinged`."""
        status = _status(lambda session: session.get(self._url, timeout=_PING_SECONDS), NotPinged)
        if status >= 300:
            raise NotPinged(f"The server answered {status}.")


class Webhook:
    """One address, http or https, that takes messages."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "Webhook(...)"

    def send(self, text: str) -> None:
        """Deliver one message as plain text: names and servers' words are in it. Raises `NotDelivered`."""
        message = {"text": printable(text).translate(_SLACK)}

        def post(session: Session) -> requests.Response:
            # Streamed: what stands in the answer is of no interest, however long it takes to come.
            return session.post(self._url, json=message, timeout=_TIMEOUT_SECONDS, stream=True)

        status = _status(post, NotDelivered)
        if status >= 300:
            raise NotDelivered(f"The server answered {status}.", status=status)


def _status(ask: Callable[[Session], requests.Response], failure: Callable[[str], ArchiveError]) -> int:
    """What the server answers. Raises a `failure` where it does not."""
    try:
        with unlogged(), Session() as session:
            return ask(session).status_code
    except CertificateError as error:
        raise failure(f"{error.why} {error.next_step}") from None
    except (requests.RequestException, ValueError) as error:
        # Its words may hold the address; so would the traceback of what this was raised from.
        raise failure(fault_sentence(error)) from None
