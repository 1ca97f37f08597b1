"""Drive's resumable upload protocol: begin a session, send everything in one PUT, go on after a fault.

After any fault the server is asked how much it has, which may be less than was sent. A session that the
server has forgotten is begun anew. How a session outlives its process is in `kept_session.py`; whether the
result is right, `upload.py` judges.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests

from lse_dagster.drive.errors import UploadSessionLost
from lse_dagster.drive.operation import Operation
from lse_dagster.drive.transfer.local_file import LocalFile
from lse_dagster.net.session import origin, unlogged

OnProgress = Callable[[int, int], None]
"""Called with bytes done and bytes in all, about once per MiB; what is done can go back after a fault."""

_GOOGLE = ".googleapis.com"
_RANGE = re.compile(r"bytes=0-(\d+)")
_SESSION_GONE = frozenset({404, 410})
_SESSION_GOOD = frozenset({401, 403, 408, 429})
"""Refusals of the account or of the moment, which say nothing against the session."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a session begins: POST for a new file, PATCH for new content of an old one."""

    method: str
    url: str
    metadata: dict[str, Any]
    media_type: str


class UploadSession:
    """One upload of one file. `step` is repeated by `Operation.again` until it returns.

    The state is what a broken step leaves behind: the session's address, which is a secret, and whether the
    server must be asked how much it has. Only `step` changes it.

    `address` is the one of a session that an earlier process has begun for the same upload. `on_address`
    hears of each new one, and None when the session has come to its end.
    """

    def __init__(
        self,
        operation: Operation,
        local: LocalFile,
        target: Target,
        *,
        on_progress: OnProgress | None = None,
        address: str | None = None,
        on_address: Callable[[str | None], None] = lambda address: None,
    ) -> None:
        self.bytes_sent = 0
        """Bytes of content given to the network, those that had to be sent again included."""
        self._operation = operation
        self._local = local
        self._target = target
        self._on_progress = on_progress
        self._on_address = on_address
        self._address = address
        self._in_doubt = address is not None
        self._furthest = 0
        self._steps_forward = 0
        self._refused = False

    @property
    def is_stuck(self) -> bool:
        """Whether the server answers and has taken no more than what it had when it was first asked."""
        return self._refused and self._steps_forward <= 1

    def step(self) -> bytes:
        """Bring the upload to its end. The server's description of the file, which may have got lost."""
        self._local.check_unchanged()
        self._refused = False
        offset = 0
        if self._address is None:
            self._address = self._begin()
        elif self._in_doubt:
            asked = self._ask_offset()
            if isinstance(asked, bytes):
                return asked
            offset = asked
        while True:
            self._in_doubt = True  # until the next answer says how far it went
            answer = self._put(offset)
            if isinstance(answer, bytes):
                return answer
            if answer <= offset:
                self._refused = True
                raise self._operation.unavailable("the server kept nothing of what was sent")
            offset = answer

    def _begin(self) -> str:
        target = self._target
        if target.method == "POST":
            self._operation.service.wait_to_create()
        response = self._operation.send(
            target.method,
            target.url,
            headers={
                "Content-Type": "application/json; charset=UTF-8",
                "X-Upload-Content-Type": target.media_type,
                "X-Upload-Content-Length": str(self._local.size),
            },
            data=json.dumps(target.metadata).encode(),
        )
        if response.status_code != 200:
            raise self._operation.error_for(response)
        self._operation.content(response)
        address = _address_on(target.url, response.headers.get("Location", ""))
        if address is None:
            raise self._operation.unavailable("the answer named no upload session of this server")
        self._in_doubt = False
        self._on_address(address)
        return address

    def _ask_offset(self) -> int | bytes:
        answer = self._sent({"Content-Range": f"bytes */{self._local.size}"}, b"")
        if isinstance(answer, int) and self._on_progress is not None:
            self._on_progress(answer, self._local.size)
        return answer

    def _put(self, offset: int) -> int | bytes:
        size = self._local.size
        if offset >= size:  # an empty file, or one whose last byte has arrived without an end: ask to finish
            headers = {"Content-Range": f"bytes */{size}"} if size else {}
            return self._sent(headers, b"")
        headers = {"Content-Range": f"bytes {offset}-{size - 1}/{size}"}
        return self._sent(headers, _Body(self._pieces(offset), size - offset))

    def _sent(self, headers: dict[str, str], data: "bytes | _Body") -> int | bytes:
        assert self._address is not None  # noqa: S101  `step` has just begun or kept it
        with unlogged():
            response = self._operation.send("PUT", self._address, headers=headers, data=data)
        return self._understood(response)

    def _pieces(self, offset: int) -> Iterator[memoryview]:
        for piece in self._local.pieces_to_send(offset):
            yield piece
            # The network has taken the piece when it asks for the next one.
            offset += len(piece)
            self.bytes_sent += len(piece)
            if self._on_progress is not None:
                self._on_progress(offset, self._local.size)

    def _understood(self, response: requests.Response) -> int | bytes:
        """How many bytes the server has, or its description of the finished file."""
        if response.status_code in (200, 201):
            self._on_address(None)
            return self._operation.content(response)
        if response.status_code == 308:
            self._operation.content(response)
            has = _RANGE.fullmatch(response.headers.get("Range", ""))
            offset = int(has[1]) + 1 if has else 0
            if offset > self._local.size:
                raise self._lost("Drive says that it has more than the file.")
            if offset > self._furthest:
                self._furthest = offset
                self._steps_forward += 1
                self._operation.accepted()
            return offset
        if response.status_code in _SESSION_GONE:
            raise self._lost(f"Drive forgot the upload session ({response.status_code}).")
        if response.status_code >= 500:
            self._refused = True
        elif response.status_code not in _SESSION_GOOD:
            self._on_address(None)  # the same would be answered again, whichever process asks
        raise self._operation.error_for(response)

    def _lost(self, why: str) -> UploadSessionLost:
        """The session is of no more use: the next step begins another."""
        self._address = None
        self._on_address(None)
        return UploadSessionLost(self._operation.what, why, "run the same step again")


class _Body:
    """Pieces with their length in all: requests sends a Content-Length, and takes the pieces as they are."""

    def __init__(self, pieces: Iterator[memoryview], length: int) -> None:
        self._pieces = pieces
        self._length = length

    def __iter__(self) -> Iterator[memoryview]:
        return self._pieces

    def __len__(self) -> int:
        return self._length


def _address_on(server: str, location: str) -> str | None:
    """The address that an answer of this server named; None if that is on another one.

    Every request carries the access token, which is for nobody else. Google's servers are one.
    """
    try:
        address = urljoin(server, location)
        here, there = origin(server), origin(address)
    except ValueError:
        return None
    is_googles = all(scheme == "https" and str(host).endswith(_GOOGLE) for scheme, host, _ in (here, there))
    return address if location and (there == here or is_googles) else None
