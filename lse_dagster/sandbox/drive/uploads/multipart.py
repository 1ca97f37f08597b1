"""multipart/related as Drive's simple uploads use it: a small JSON part, then the content, streamed.

Google's Python client separates lines with LF alone, other clients with CRLF: the first line decides.
"""

from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesHeaderParser

from lse_dagster.sandbox.drive.errors import DriveError, bad_request
from lse_dagster.sandbox.drive.files.metadata import LIMIT


class RelatedParts:
    """Reads the two parts in order: first `metadata`, then `media_type`, then `media`."""

    def __init__(self, stream: AsyncIterator[bytes], content_type: str) -> None:
        header = Message()
        header["Content-Type"] = content_type
        boundary = header.get_param("boundary")
        if header.get_content_maintype() != "multipart" or not isinstance(boundary, str):
            raise bad_request("Missing the boundary of a multipart/related upload.")
        self._stream = stream
        self._dashes = b"--" + boundary.encode("latin-1")
        self._line = b"\n"
        self._buffer = b""

    async def metadata(self) -> bytes:
        """The JSON part."""
        await self._until(self._dashes)
        first = await self._until(b"\n")
        self._line = b"\r\n" if first.endswith(b"\r") else b"\n"
        await self._headers()
        body = await self._until(self._line + self._dashes)
        await self._until(self._line)
        return body

    async def media_type(self) -> str:
        """The content's type, from its part's headers."""
        headers = BytesHeaderParser().parsebytes(await self._headers())
        if headers.get("Content-Transfer-Encoding", "binary").lower() not in {"binary", "8bit", "7bit"}:
            raise bad_request("Only binary content is supported.")
        return headers.get_content_type() if "Content-Type" in headers else "application/octet-stream"

    async def media(self) -> AsyncIterator[bytes]:
        """The content, up to the closing boundary."""
        end = self._line + self._dashes
        while (at := self._buffer.find(end)) < 0:
            safe = len(self._buffer) - len(end) + 1  # the boundary may have arrived in part
            if safe > 0:
                yield self._buffer[:safe]
                self._buffer = self._buffer[safe:]
            await self._more()
        yield self._buffer[:at]
        async for _ in self._stream:
            pass

    async def _headers(self) -> bytes:
        self._buffer = self._line + self._buffer  # so that a part without headers ends them too
        return (await self._until(self._line * 2)).lstrip()

    async def _until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > LIMIT:
                raise bad_request("The metadata of a multipart upload is too large.")
            await self._more()
        before, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
        return before

    async def _more(self) -> None:
        async for piece in self._stream:
            if piece:
                self._buffer += piece
                return
        raise DriveError(400, "badContent", "The multipart upload ended before its closing boundary.")
