"""The key to LangSmith: what it may look like, said in one place, and how it stays out of what is shown.

Where it comes from is not known here. It goes into a header, which takes printable ASCII in one line.
"""

import re
from typing import Final

from lse_dagster.langsmith.errors import MissingApiKey, UnusableCredential

_SENDABLE: Final = re.compile(r"[!-~]*")


class ApiKey:
    """A key that can be sent. White space around it is no part of it: secrets often end with a line break."""

    def __init__(self, written: str) -> None:
        """Raises `MissingApiKey`, `UnusableCredential`."""
        self.value: Final = sendable("LANGSMITH_API_KEY", written)
        if not self.value:
            raise MissingApiKey

    def __repr__(self) -> str:
        return "ApiKey(...)"

    def hidden_in(self, words: str) -> str:
        """The words of somebody who may repeat the key."""
        return words.replace(self.value, "[...]")


def sendable(variable: str, written: str) -> str:
    """The value of a variable as a header takes it. Raises `UnusableCredential`, which does not show it."""
    value = written.strip()
    if not _SENDABLE.fullmatch(value):
        raise UnusableCredential(variable)
    return value
