"""Sending alerts in their order, and remembering how far: the cursor of the sensor that does it.

One that cannot be sent waits, and so do those after it. One that the webhook refuses does not hold them up
for long: it is shortened, and at last stepped over, with its words in the log.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from lse_dagster.alerts import Alert, Message, Position
from lse_dagster.printable import printable
from lse_dagster.webhook import NotDelivered, Webhook

_AT_ONCE: Final = 5
_BEGIN_WITHIN: Final = 15.0
"""Seconds. A tick must end within a minute, and the message that is begun last may take half of one."""
_WHOLE_TRIES: Final = 3


@dataclass(frozen=True)
class Told(Position):
    """The position after all that was told, and how often the message of one event was refused since."""

    refused_event: int = 0
    refusals: int = 0

    def after(self, alert: Alert) -> "Told":
        """The alert was told, or is nothing to tell."""
        position = alert.position
        return replace(
            self,
            run_event=position.run_event,
            check_event=position.check_event,
            danger_event=position.danger_event,
        )

    def refused(self, alert: Alert) -> "Told":
        """The alert's message was refused once more."""
        return replace(self, refused_event=alert.event, refusals=self.refusals_of(alert) + 1)

    def refusals_of(self, alert: Alert) -> int:
        """How often the alert's message was refused."""
        return self.refusals if alert.event == self.refused_event else 0


class Delivery:
    """One tick's messages. `remember` is given each new position at once: what was told is not told again."""

    def __init__(
        self,
        webhook: Webhook,
        log: logging.Logger,
        remember: Callable[[Told], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._webhook = webhook
        self._log = log
        self._remember = remember

    def deliver(self, alerts: Iterable[Alert], told: Told) -> int:
        """Send a few messages, until one cannot be; how many were."""
        sent = attempts = 0
        began = self._clock()
        for alert in alerts:
            if alert.message is not None:
                if attempts == _AT_ONCE or self._clock() - began > _BEGIN_WITHIN:
                    break
                attempts += 1
                try:
                    sent += self._send(alert.message, told.refusals_of(alert))
                except NotDelivered as error:
                    self._log.warning(str(error))
                    if error.refused:
                        self._remember(told.refused(alert))
                    break
            told = told.after(alert)
            self._remember(told)
        return sent

    def _send(self, message: Message, refusals: int) -> bool:
        """Whether the message was taken; else it is given up. Raises `NotDelivered` if it is sent again.

        A message that is refused may be too long, or hold words that a firewall stops. When a few plain words
        are refused too, it is the address that is wrong, if the status says so; then nothing is given up.
        """
        if refusals < _WHOLE_TRIES:
            self._webhook.send(message.text)
            return True
        try:
            self._webhook.send(message.short)
        except NotDelivered as error:
            if not error.refused or error.may_be_the_address:
                raise
            refused = printable(message.text)
            self._log.error(f"LSE_WEBHOOK_URL refuses this message, whole and shortened:\n{refused}")
            return False
        return True
