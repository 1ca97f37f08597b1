"""HTTP connections that another thread can end, also while one of them waits for an answer.

`requests` can only close what is idle. A read that a stalled server keeps waiting would hold up whoever wants
to stop, Ctrl+C included, for as long as the read timeout.
"""

import socket
import threading
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_SCHEMES: Final = ("https://", "http://")


class Connections:
    """All connections of one session. From any thread.

    Only what goes through a proxy is not known here, and ends with its timeout.
    """

    def __init__(self, session: Session, *, most: int) -> None:
        """Take over the session's connections; up to `most` are kept for the next request."""
        self._lock = threading.Lock()
        self._open: WeakSet[socket.socket] = WeakSet()
        self._ended = False
        for scheme in _SCHEMES:
            session.mount(scheme, _Adapter(self, most))

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
    def __init__(self, connections: Connections, most: int) -> None:
        self._connections = connections
        super().__init__(pool_maxsize=most)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """urllib3's own pools, but for who hears of each connection."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._connections)


def _pools(connections: Connections) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            connections.opened(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            connections.opened(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it was closed already
        # Not `connection.shutdown`: that of TLS takes the connection from under the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
