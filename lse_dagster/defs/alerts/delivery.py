"""Sending what is due, and remembering it: the cursor of the sensor that does it.

One that cannot be sent waits, and so do those after it. One that the webhook refuses does not hold them up
for long: it is shortened, and at last stepped over, with its words in the log.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from lse_dagster.defs.alerts.found import Position
from lse_dagster.defs.alerts.ledger import Ledger, Telling
from lse_dagster.defs.alerts.messages import Message, message_of
from lse_dagster.defs.alerts.webhook import NotDelivered, Webhook
from lse_dagster.errors import printable

_AT_ONCE: Final = 5
_BEGIN_WITHIN: Final = 15.0
"""Seconds. A tick must end within a minute, and the message that is begun last may take half of one."""
_WHOLE_TRIES: Final = 3


@dataclass(frozen=True)
class Told(Position):
    """How far the records were read, what of it is still to be told, and what was refused last, how often."""

    ledger: Ledger = field(default_factory=Ledger)
    refused: str = ""
    refusals: int = 0

    def refusals_of(self, telling: Telling) -> int:
        """How often the message was refused."""
        return self.refusals if telling.key == self.refused else 0


class Delivery:
    """One tick's messages. `remember` is given what was told at once, so it is not told again."""

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

    def deliver(self, told: Told, now: datetime) -> int:
        """Send what is due, a few messages, until one cannot be sent; how many were."""
        sent, began = 0, self._clock()
        for _ in range(_AT_ONCE):
            telling = told.ledger.due(now)
            if telling is None or self._clock() - began > _BEGIN_WITHIN:
                break
            try:
                sent += self._send(message_of(telling), told.refusals_of(telling))
            except NotDelivered as error:
                self._log.warning(str(error))
                if error.refused:
                    refusals = told.refusals_of(telling) + 1
                    self._remember(replace(told, refused=telling.key, refusals=refusals))
                break
            told = replace(told, ledger=told.ledger.told(telling, now), refused="", refusals=0)
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
            if not error.is_of_the_message:
                raise
            refused = printable(message.text)
            self._log.error(f"LSE_WEBHOOK_URL refuses this message, whole and shortened:\n{refused}")
            return False
        return True
