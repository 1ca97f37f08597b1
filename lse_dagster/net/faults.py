"""What happened to a request that got no whole answer, in the words of a person.

The one place that knows how `requests`, urllib3, google-auth and the system put it. Their own texts are never
shown: they name objects and addresses, some of which are secrets, and say the same thing three times.
"""

import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import requests
import urllib3

_TLS: Final = {
    "WRONG_VERSION_NUMBER": "no https is spoken at that port",
    "HTTP_REQUEST": "no https is spoken at that port",
    "UNEXPECTED_EOF_WHILE_READING": "the connection was broken off",
}

Match = Callable[[BaseException], str | None]


def fault_words(fault: BaseException) -> str:
    """A phrase without a full stop, and without any address: `connection refused, nothing listens there`."""
    links = list(behind(fault))
    said = next((words for match in _MATCHES for link in links if (words := match(link)) is not None), None)
    through = any(isinstance(link, requests.exceptions.ProxyError) for link in links)
    return f"{said or f'the connection failed ({type(fault).__name__})'}{' (the proxy)' * through}"


def fault_sentence(fault: BaseException) -> str:
    """The same as a sentence of its own."""
    words = fault_words(fault)
    return f"{words[:1].upper()}{words[1:]}."


def behind(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it was made of, as requests and urllib3 wrap them; each once."""
    links: list[object] = [error]
    seen: set[int] = set()
    while links:
        link = links.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            links += [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]


def _of(kind: type[BaseException] | tuple[type[BaseException], ...], words: str) -> Match:
    return lambda link: words if isinstance(link, kind) else None


def _name(link: BaseException) -> str | None:
    if not isinstance(link, socket.gaierror):
        return None
    again = link.errno == socket.EAI_AGAIN
    return "no name server answers" if again else "no address is known for the name of the host"


def _tls(link: BaseException) -> str | None:
    if not isinstance(link, ssl.SSLError):
        return None
    reason = str(link.reason or "")
    return (
        _TLS.get(reason) or f"no secure connection came about ({reason.replace('_', ' ').lower() or 'TLS'})"
    )


def _system(link: BaseException) -> str | None:
    return os.strerror(link.errno).lower() if isinstance(link, OSError) and link.errno else None


_MATCHES: Final[Sequence[Match]] = (
    _name,
    _of(ConnectionRefusedError, "connection refused, nothing listens there"),
    _of(
        (requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError),
        "no connection came about in time",
    ),
    _of(ssl.SSLEOFError, "the connection was broken off"),
    _of(requests.exceptions.Timeout, "no answer came in time"),
    _of((urllib3.exceptions.TimeoutError, TimeoutError), "no answer came in time"),
    _tls,
    _of(http.client.RemoteDisconnected, "the connection was closed without an answer"),
    _of((http.client.IncompleteRead, urllib3.exceptions.IncompleteRead), "the answer was cut short"),
    _of((ConnectionError,), "the connection was broken off"),
    _of(
        (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError),
        "what came is not encoded as it says",
    ),
    _of(requests.exceptions.TooManyRedirects, "the answer points on and on to other addresses"),
    _of(http.client.HTTPException, "what answers there speaks no HTTP"),
    _system,
    _of((ValueError, RecursionError), "the answer is none that was asked for"),
)
"""The first that knows one of the links says it: what is closest to the cause comes first."""
