"""Telling people: one POST of `{"text": ...}`, which Slack's incoming webhooks and many others take.

The address is a secret: neither it nor an error that holds it leaves this module. That is why the standard
library sends it: `requests` writes the path of every request to its debug log.
"""

import http.client
import json
import urllib.error
import urllib.request
from typing import Final

from lse_dagster.errors import ArchiveError
from lse_dagster.printable import printable

_TIMEOUT_SECONDS: Final = 10.0
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
        self.may_be_the_address = status in _OF_THE_ADDRESS
        """Whether it refuses, perhaps, whatever comes: somebody must change something first."""


class Webhook:
    """One address, http or https, that takes messages."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(_StayThere)

    def __repr__(self) -> str:
        return "Webhook(...)"

    def send(self, text: str) -> None:
        """Deliver one message as plain text: names and servers' words are in it. Raises `NotDelivered`."""
        body = json.dumps({"text": printable(text).translate(_SLACK)}).encode()
        try:
            request = urllib.request.Request(  # noqa: S310 # settings.py takes http and https only
                self._url, body, {"Content-Type": "application/json"}
            )
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS):
                pass
        except urllib.error.HTTPError as error:
            raise NotDelivered(f"The server answered {error.code}.", status=error.code) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            # Its words may hold the address; so would the traceback of what this was raised from.
            raise NotDelivered(f"{type(error).__name__}.") from None


class _StayThere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the message was meant for that address."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""
