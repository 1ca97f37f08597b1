"""How to reach a LangSmith server: its address and the key, as people write them and as may be shown."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from lse_dagster.langsmith.errors import MissingApiKey, UnusableAddress, UnusableCredential
from lse_dagster.net.addresses import is_web_address
from lse_dagster.net.backoff import PATIENCE
from lse_dagster.net.limiter import RatesName

DEFAULT_ENDPOINT: Final = "https://api.smith.langchain.com"
CLOUD_KEEPS_DAYS: Final = 180
"""The longest retention of LangSmith's cloud since 14 September 2026; before, it was 400."""

_READ_SECONDS: Final = 120.0
_LARGEST_ANSWER: Final = 256 << 20
"""Bytes, decompressed. A page is near 4 MB; one run may have several fields of 25 MB, LangSmith's limit."""


@dataclass(frozen=True)
class LangSmithSettings:
    """How to reach one LangSmith workspace. `patience` is in seconds of waiting per request."""

    api_key: str = field(default="", repr=False)
    endpoint: str = DEFAULT_ENDPOINT
    workspace_id: str | None = None
    patience: float = PATIENCE
    read_timeout: float = _READ_SECONDS
    largest_answer: int = _LARGEST_ANSWER
    rates: RatesName = "us"
    attachment_hosts: tuple[str, ...] = ()
    """LSE_ATTACHMENT_HOSTS: hosts, besides the endpoint's, whose files may be fetched."""


_CLOUD: Final = ".langchain.com"
_USER: Final = re.compile(r"^(\w[\w+.-]*://)?[^/?#]*@")


def base_url(endpoint: str) -> str:
    """The SDK takes `https://host`, `https://host/api` and `https://host/api/v1`; so do we."""
    base = without_user(endpoint).rstrip("/")
    for suffix in ("/api/v1", "/api/v2", "/api"):
        if base.endswith(suffix):
            return base.removesuffix(suffix)
    return base


def is_cloud(endpoint: str) -> bool:
    """Whether this is LangChain's own server, in any region."""
    return (urlsplit(base_url(endpoint)).hostname or "").endswith(_CLOUD)


def without_user(endpoint: str) -> str:
    """The address without `user:password@`, which is never sent: LangSmith asks for a key only."""
    return _USER.sub(r"\1", endpoint.strip())


def expect_usable(endpoint: str) -> None:
    """Raises `UnusableAddress`, which does not show the address: it may hold a password."""
    if not is_web_address(endpoint):
        raise UnusableAddress(
            "Connecting to LangSmith", "LANGSMITH_ENDPOINT is not https:// (or http://) and a host."
        )


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
