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
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from lse_dagster.langsmith.pace import NewPace, Pace

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SCHEMES: Final = ("https://", "http://")

Clock = Callable[[], float]


class Connections:
    """All connections of one session. From any thread.

    Only what goes through a SOCKS proxy is not known here, and ends with its timeout.
    """

    def __init__(self, session: Session, *, most: int, pace: NewPace, clock: Clock = time.monotonic) -> None:
        """Take over the session's connections; up to `most` are kept for the next request.

        Each answer has a `pace` of its own; one that is slower is a read timeout.
        """
        self._lock = threading.Lock()
        self._open: WeakSet[socket.socket] = WeakSet()
        self._ended = False
        pools = _pools(self, _response_class(pace, clock))
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


def _pools(connections: Connections, answers: type[HTTPResponse]) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        response_class = answers

        def connect(self) -> None:
            super().connect()
            connections.opened(self.sock)

    class Secure(HTTPSConnection):
        response_class = answers

        def connect(self) -> None:
            super().connect()
            connections.opened(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


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
        """It is."""
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
