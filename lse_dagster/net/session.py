"""The session of every client here: LangSmith, object stores, Drive, Google's sign-in, webhooks.

`requests` on its own looks for passwords in ~/.netrc, keeps cookies, and follows redirects with whatever the
request carries. This one does none of it; who wants to follow says so, and which headers stay at home.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urljoin

import requests
import urllib3

from lse_dagster.net.certificates import ca_bundle, certificate_error

_MOST_REDIRECTS: Final = 10
_PORTS: Final = {"http": 80, "https": 443}
_LOGGERS: Final = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")

Origin = tuple[str | None, str | None, int | None]


class Session(requests.Session):
    """Credentials only from us, certificates by one setting, and no redirect that nobody asked to follow."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _as_it_is  # else ~/.netrc is looked into, and may replace our header
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """With the proxies of the environment, and its authorities. Raises `CertificateError`."""
        settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
        if str(url).lower().startswith("https:") and (bundle := ca_bundle()) is not None:
            bundle.expect_there()
            settings["verify"] = bundle.path
        return settings

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """One request and its answer. Raises `CertificateError`, `RequestException`."""
        try:
            return super().send(request, **kwargs)
        except requests.exceptions.SSLError as error:
            untrusted = certificate_error(error, str(request.url), kwargs.get("proxies") or {})
            if untrusted is None:
                raise
        # Not in the handler: the context would carry the request, whose headers hold secrets.
        raise untrusted

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: a redirect is an answer like any other."""

    def get_and_follow(
        self, url: str, *, headers: Mapping[str, str], secrets: Mapping[str, str], **kwargs: Any
    ) -> requests.Response:
        """GET, also where the answer points to. The `secrets` are headers for the server of `url` alone.

        Once elsewhere they are not sent again, wherever the way leads. Raises `RequestException`, also for a
        way that does not end, or that leaves https after a secret was sent.
        """
        home = origin(url)
        at_home = True
        for _ in range(_MOST_REDIRECTS):
            at_home = at_home and origin(url) == home
            response = self.get(url, headers={**headers, **(secrets if at_home else {})}, **kwargs)
            target = redirect_target(response)
            if target is None:
                return response
            response.close()
            if secrets and url.lower().startswith("https:") and not target.lower().startswith("https:"):
                raise requests.exceptions.InvalidURL("a redirect leads away from https")
            url = target
        raise requests.TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects")


def origin(url: str) -> Origin:
    """Scheme, host and port: which server a request for this goes to. Raises `ValueError`.

    With the parser that requests are sent by: another one may see another host.
    """
    parts = urllib3.util.parse_url(url)
    return parts.scheme, parts.host, parts.port or _PORTS.get(parts.scheme or "")


def redirect_target(response: requests.Response) -> str | None:
    """Where the answer points to, if it is a redirect."""
    if not response.is_redirect:
        return None
    location = response.headers["location"].encode("latin-1").decode("utf-8", "replace")
    return urljoin(str(response.url), location)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Unlogged(logging.Filter):
    """urllib3 logs every path at DEBUG, and warns of odd answers with it: some are secrets."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.local()

    @contextmanager
    def here(self) -> Iterator[None]:
        """Let nothing through that this thread logs in the block."""
        self._thread.quiet = True
        try:
            yield
        finally:
            self._thread.quiet = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it may be logged."""
        return not getattr(self._thread, "quiet", False)


_UNLOGGED: Final = _Unlogged()


@contextmanager
def unlogged() -> Iterator[None]:
    """Requests of this thread whose address is a secret: nothing of urllib3's is logged in the block."""
    for logger in _LOGGERS:
        logging.getLogger(logger).addFilter(_UNLOGGED)  # adding it twice adds it once
    with _UNLOGGED.here():
        yield
