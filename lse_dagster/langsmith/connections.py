"""HTTP connections that another thread can end, and that are ended when the server is too slow.

`requests` can only close what is idle. A read that a stalled server keeps waiting would hold up whoever wants
to stop, Ctrl+C included, for as long as the read timeout; and that begins anew with every byte.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakSet

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Pace(Protocol):
    """Watches one answer arrive, its headers too."""

    def arrived(self, seconds: float, size: int) -> None:
        """`size` bytes came after `seconds` of waiting. Raises `TimeoutError` when it is too slow."""


NewPace = Callable[[], Pace]


class WholeWithin:
    """An answer has to be whole after so many seconds: what is kept in memory has a size."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def arrived(self, seconds: float, size: int) -> None:
        """Raises `TimeoutError`."""
        self._left -= seconds
        if self._left < 0:
            raise TimeoutError("the answer was not whole in time")


class AtLeast:
    """So many bytes have to come in each so many seconds: a file can be of any size."""

    def __init__(self, size: int, *, in_seconds: float) -> None:
        self._least: Final = size
        self._seconds: Final = in_seconds
        self._size, self._waited = 0, 0.0

    def arrived(self, seconds: float, size: int) -> None:
        """Raises `TimeoutError`."""
        self._size += size
        self._waited += seconds
        if self._size >= self._least:
            self._size, self._waited = 0, 0.0
        elif self._waited > self._seconds:
            raise TimeoutError("too few bytes came in time")


_SCHEMES: Final = ("https://", "http://")

Clock = Callable[[], float]
Addresses = Callable[[str, bool], list[str]]
"""From a host, and whether it is asked over TLS, to its addresses. Raises `socket.gaierror`, or to refuse."""


class Connections:
    """All connections of one session. From any thread.

    Only what goes through a SOCKS proxy is not known here, and ends with its timeout.
    """

    def __init__(
        self,
        session: Session,
        *,
        most: int,
        pace: NewPace,
        clock: Clock = time.monotonic,
        addresses: Addresses | None = None,
    ) -> None:
        """Take over the session's connections; up to `most` are kept for the next request.

        Each answer has a `pace` of its own; one that is slower is a read timeout. `addresses` says where to
        connect to for a host, and whether at all; it is not asked for what goes through a proxy.
        """
        self._lock = threading.Lock()
        self._open: WeakSet[socket.socket] = WeakSet()
        self._ended = False
        pools = _pools(self, _response_class(pace, clock), addresses)
        for scheme in _SCHEMES:
            session.mount(scheme, _Adapter(pools, most))

    def end(self) -> None:
        """Break off every request under way, and those that still come: they raise `RequestException`."""
        with self._lock:
            self._ended = True
            for connection in self._open:
                _shut(connection)

    def opened(self, connection: socket.socket) -> None:
        """Take note of a connection."""
        with self._lock:
            self._open.add(connection)
            if self._ended:
                _shut(connection)


class _Adapter(HTTPAdapter):
    """urllib3's own managers of pools, but with pools of ours."""

    def __init__(self, pools: dict[str, type[HTTPConnectionPool]], most: int) -> None:
        self._pools = pools
        super().__init__(pool_maxsize=most)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Of connections to the server itself."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        """Of connections to a proxy."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        if type(manager) is ProxyManager:  # SOCKS needs its own pools
            manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(
    connections: Connections, answers: type[HTTPResponse], addresses: Addresses | None
) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        response_class = answers

        def connect(self) -> None:
            super().connect()
            connections.opened(self.sock)

        def _new_conn(self) -> socket.socket:
            return _connect(self, super()._new_conn, addresses, https=False)

    class Secure(HTTPSConnection):
        response_class = answers

        def connect(self) -> None:
            super().connect()
            connections.opened(self.sock)

        def _new_conn(self) -> socket.socket:
            return _connect(self, super()._new_conn, addresses, https=True)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _connect(
    connection: HTTPConnection,
    connect: Callable[[], socket.socket],
    addresses: Addresses | None,
    *,
    https: bool,
) -> socket.socket:
    """Connect to one of the addresses that were looked at: a second look-up could give others."""
    if addresses is None or connection.proxy is not None:
        return connect()
    host = connection._dns_host
    try:
        found = addresses(host, https)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    failure: Exception | None = None
    for address in found:
        connection._dns_host = address  # what urllib3 connects to; the name goes on to be the certificate's
        try:
            return connect()
        except (NewConnectionError, ConnectTimeoutError) as error:
            failure = error
        finally:
            connection._dns_host = host
    raise failure or NewConnectionError(connection, "the host has no address")


def _response_class(pace: NewPace, clock: Clock) -> type[HTTPResponse]:
    class Paced(HTTPResponse):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fp = BufferedReader(_Paced(self.fp.detach(), pace(), clock))

    return Paced


class _Paced(RawIOBase):
    """What comes from a socket, at no less than a pace."""

    def __init__(self, source: RawIOBase, pace: Pace, clock: Clock) -> None:
        self._source = source
        self._pace = pace
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """Raises `TimeoutError`, as the socket does."""
        began = self._clock()
        size = self._source.readinto(buffer)
        self._pace.arrived(self._clock() - began, size or 0)
        return size

    def close(self) -> None:
        """Let go of the socket."""
        self._source.close()
        super().close()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it was closed already
        # Not `connection.shutdown`: that of TLS takes the connection from under the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
