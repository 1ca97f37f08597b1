"""Telling people: one POST of `{"text": ...}`, which Slack's incoming webhooks and many others take.

The address is a secret: neither it nor an error that holds it leaves this module.
"""

import requests

from lse_dagster.errors import ArchiveError

_TIMEOUT_SECONDS = 10.0


class NotDelivered(ArchiveError):
    """The webhook did not take a message."""

    transient = True

    def __init__(self, why: str) -> None:
        super().__init__(
            "Sending a message to LSE_WEBHOOK_URL", why, "It is sent again. Check the address if this stays."
        )


class Webhook:
    """One address that takes messages."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "Webhook(...)"

    def send(self, text: str) -> None:
        """Deliver one message. Raises `NotDelivered`."""
        try:
            with requests.Session() as session:
                session.auth = _no_password  # requests would send one from ~/.netrc
                answer = session.post(
                    self._url, json={"text": text}, timeout=_TIMEOUT_SECONDS, allow_redirects=False
                )
        except (requests.RequestException, ValueError) as error:
            # Its words hold the address; so would the traceback of what it was raised from.
            raise NotDelivered(f"{type(error).__name__}.") from None
        if not 200 <= answer.status_code < 300:
            raise NotDelivered(f"The server answered {answer.status_code}.")


def _no_password(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
