"""The content of one member: inflated to exactly the bytes that the directory promises, its CRC checked.

Never more is inflated than that, whatever the data says.
"""

import zlib
from collections.abc import Iterator
from typing import Final

import deflate

from lse_dagster.day.zip.directory import Member, ZipDirectory
from lse_dagster.day.zip.format import DEFLATED, STORED

WHOLE: Final = 2 << 20
"""Bytes. Members up to this size are inflated in one go."""

_PIECE: Final = 1 << 20


def read_whole(archive: ZipDirectory, member: Member) -> bytes | bytearray:
    """A member in memory. Raises `BrokenZip`."""
    packed = archive.packed(member)
    if member.method == STORED:
        content: bytes | bytearray = bytes(packed)
    elif member.method != DEFLATED:
        raise archive.broken(f"{member.name!r} is packed by method {member.method}, which no day zip is")
    else:
        try:
            content = deflate.deflate_decompress(packed, member.size)
        except deflate.DeflateError:
            raise archive.broken(f"{member.name!r} cannot be inflated to its size") from None
    _check(archive, member, len(content), deflate.crc32(content))
    return content


def read_pieces(archive: ZipDirectory, member: Member) -> Iterator[bytes | bytearray]:
    """A member in pieces of up to 1 MiB; only after the last one is it known to be right.

    Raises `BrokenZip`.
    """
    if member.size <= WHOLE:
        yield read_whole(archive, member)
        return
    size, crc = 0, 0
    for piece in _inflated(archive, member):
        size += len(piece)
        crc = deflate.crc32(piece, crc)
        if size > member.size:
            raise archive.broken(f"{member.name!r} is larger than its size")
        yield piece
    _check(archive, member, size, crc)


def _inflated(archive: ZipDirectory, member: Member) -> Iterator[bytes]:
    if member.method == STORED:
        yield from _packed(archive, member)
        return
    if member.method != DEFLATED:
        raise archive.broken(f"{member.name!r} is packed by method {member.method}, which no day zip is")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in _packed(archive, member):
            rest = packed
            while rest and not inflater.eof:
                yield inflater.decompress(rest, _PIECE)
                rest = inflater.unconsumed_tail
        while not inflater.eof and (piece := inflater.decompress(b"", _PIECE)):
            yield piece
    except zlib.error as error:
        raise archive.broken(f"{member.name!r} cannot be inflated: {error}") from None
    if not inflater.eof:
        raise archive.broken(f"{member.name!r} ends too early")


def _packed(archive: ZipDirectory, member: Member) -> Iterator[bytes]:
    begin = archive.data_offset(member)
    for at in range(0, member.compressed, _PIECE):
        yield archive.read(begin + at, min(_PIECE, member.compressed - at))


def _check(archive: ZipDirectory, member: Member, size: int, crc: int) -> None:
    if (size, crc) != (member.size, member.crc):
        raise archive.broken(f"{member.name!r} differs from its CRC or its size")
