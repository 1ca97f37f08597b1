"""One presigned URL to one file: a GET without any key, streamed to disk and hashed on the way.

The object store's refusals and its bad moments are told apart here; whether to try again is decided by the
caller. What is said about a failure never holds the URL.
"""

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import requests
import urllib3
from urllib3.exceptions import NameResolutionError

from lse_dagster.langsmith.attachment_hosts import AttachmentHosts, HostRefused
from lse_dagster.langsmith.connections import AtLeast, Clock, Connections
from lse_dagster.langsmith.errors import shorten
from lse_dagster.net.backoff import retry_after
from lse_dagster.net.certificates import CertificateError
from lse_dagster.net.faults import behind, fault_words
from lse_dagster.net.session import Session, unlogged

_RETRYABLE: Final = frozenset({408, 425, 429})
"""And every 5xx."""
_USELESS: Final = (ValueError, requests.TooManyRedirects)
"""The first is what `requests` raises for a URL that is none, and lets through for that of a redirect."""
_MEBIBYTE: Final = 1 << 20
_TIMEOUT: Final = (10.0, 60.0)
_LEAST_BYTES: Final = 512 << 10
_LEAST_IN_SECONDS: Final = 120.0
"""4 KB/s, less than a modem gives. A file may have gigabytes, so its whole time says nothing."""
_SHORTEST_SECRET: Final = 4
_FEW_TRIES: Final = 3
_LOOK_UPS: Final = 6
"""Eight seconds or so of waiting: a name server may have to be started again."""
_NO_ENCODING: Final = frozenset({"", "identity", "aws-chunked"})
"""The last is how S3 was sent the file, and some stores repeat it."""


@dataclass(frozen=True)
class Blob:
    """What was downloaded: its size in bytes and its sha256 in hex."""

    bytes: int
    sha256: str


@dataclass
class DownloadFailed(Exception):
    """The file could not be had with this URL."""

    why: str
    passing: bool
    """Whether the same URL may work later."""
    retry_after: float | None = None
    """Seconds that the store asks to wait."""
    most_tries: int | None = None
    """How often it is worth trying; None: as long as there is patience."""
    unknown_host: bool = False
    """Whether the URL's host has no address, which says as much of all others on it."""
    another_url: bool = True
    """Whether a fresh URL of the same file may do better."""


class BlobClient:
    """HTTP to object stores, for any number of threads. It has no key, so no redirect can carry one away."""

    def __init__(
        self,
        hosts: AttachmentHosts,
        *,
        connections: int,
        on_bytes: Callable[[int], None],
        clock: Clock = time.monotonic,
    ) -> None:
        """`on_bytes` is told of every piece that arrived; it may raise to end the download."""
        self._on_bytes = on_bytes
        self._session = _SessionTo(hosts)
        # The length that is promised must be the length of what is kept.
        self._session.headers["Accept-Encoding"] = "identity"
        self._connections = Connections(
            self._session,
            most=connections,
            pace=lambda: AtLeast(_LEAST_BYTES, in_seconds=_LEAST_IN_SECONDS),
            clock=clock,
            addresses=lambda host, https: hosts.addresses(host, https=https),
        )

    def end(self) -> None:
        """Break off all downloads. From any thread."""
        self._connections.end()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def download(self, url: str, to: Path) -> Blob:
        """Fetch a URL into a file, replacing it. Raises `DownloadFailed`, and `OSError` of the file."""
        try:
            with unlogged(), self._get(url) as response:
                if response.status_code != requests.codes.ok:
                    raise _refusal(response, url)
                return self._save(response, to)
        except HostRefused as error:
            raise DownloadFailed(str(error), passing=False, another_url=False) from None
        except CertificateError as error:
            why = f"{error.why} {error.next_step}"
            raise DownloadFailed(why, passing=False, another_url=False) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise _failure(error, url) from None

    def _get(self, url: str) -> requests.Response:
        return self._session.get_and_follow(url, headers={}, secrets={}, stream=True, timeout=_TIMEOUT)

    def _save(self, response: requests.Response, to: Path) -> Blob:
        _expect_decodable(response)
        digest = hashlib.sha256()
        size = 0
        with to.open("wb") as file:
            for chunk in response.iter_content(_MEBIBYTE):
                self._on_bytes(len(chunk))
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        promised = response.headers.get("Content-Length")
        arrived = response.raw.tell()
        if promised is not None and promised.isdigit() and arrived != int(promised):
            raise DownloadFailed(f"{arrived:,} of {int(promised):,} bytes arrived", passing=True)
        return Blob(size, digest.hexdigest())


class _SessionTo(Session):
    """To hosts that may be asked, also when a proxy looks for them: then no connection here knows where."""

    def __init__(self, hosts: AttachmentHosts) -> None:
        super().__init__()
        self._hosts = hosts

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Raises `HostRefused`, too."""
        if requests.utils.select_proxy(str(request.url), kwargs.get("proxies")):
            self._hosts.expect_name(str(request.url))
        return super().send(request, **kwargs)


def _failure(error: Exception, url: str) -> DownloadFailed:
    """What it means, without the error's own text, which names the URL."""
    if isinstance(error, requests.exceptions.ContentDecodingError):
        why = f"what {host_of(url)} sends is not encoded as it says"
        return DownloadFailed(why, passing=True, most_tries=_FEW_TRIES)
    why = f"{host_of(url)}: {fault_words(error)}"
    if any(isinstance(link, NameResolutionError) for link in behind(error)):
        return DownloadFailed(why, passing=True, most_tries=_LOOK_UPS, unknown_host=True)
    return DownloadFailed(why, passing=not isinstance(error, _USELESS))


def _expect_decodable(response: requests.Response) -> None:
    """Raises `DownloadFailed` for an encoding that would be kept as if it were the file."""
    named = response.headers.get("Content-Encoding", "").lower().split(",")
    encodings = [name for name in map(str.strip, named) if name not in _NO_ENCODING]
    if not {*encodings} <= {*urllib3.HTTPResponse.CONTENT_DECODERS}:
        why = f"its content encoding is not understood: {shorten(', '.join(encodings))}"
        raise DownloadFailed(why, passing=False, another_url=False)
    # urllib3 would take the others for "deflate".
    response.raw.headers["Content-Encoding"] = ", ".join(encodings)


def _refusal(response: requests.Response, url: str) -> DownloadFailed:
    status = response.status_code
    body = next(response.iter_content(4096), b"").decode("utf-8", "replace")
    words = shorten(_without_urls(_words(body), url, response.url))
    return DownloadFailed(
        f"{status} {response.reason}: {words}" if words else f"{status} {response.reason}",
        passing=status in _RETRYABLE or status >= requests.codes.server_error,
        retry_after=retry_after(response.headers),
    )


def _words(body: str) -> str:
    """Object stores answer in XML: a code, a message, and much that is nobody's business."""
    found = [
        match[1] for tag in ("Code", "Message") if (match := re.search(rf"<{tag}>(.*?)</{tag}>", body, re.S))
    ]
    return ": ".join(found) or body


def _without_urls(text: str, *urls: str) -> str:
    """The text without any URL, and without the path or a value of those that were asked for."""
    for parts in map(urlsplit, urls):
        secrets = {value for _, value in parse_qsl(parts.query)} | set(re.split("[&=]", parts.query))
        for secret in sorted({parts.query, parts.path, *secrets}, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "[...]")
    return re.sub(r"https?://[^\s\"'<>]+", "[URL]", text)


def host_of(url: str) -> str:
    """The URL's host, or words for one that is none: this much of it is no secret."""
    with suppress(ValueError):
        return urlsplit(url).hostname or "a URL without a host"
    return "a URL that is none"
