"""The records of the zip format as bytes: local headers, the directory, the end. No files, no compression.

Source: APPNOTE 6.3.10. Sizes stand in the local headers (no data descriptors), names are ASCII or marked as
UTF-8, times are fixed, and Zip64 records appear only where a number needs them: what every tool reads.
"""

import struct
from typing import Final, NamedTuple

STORED: Final = 0
DEFLATED: Final = 8

LOCAL: Final = struct.Struct("<4s5H3L2H")
LOCAL_SIGNATURE: Final = b"PK\x03\x04"
CENTRAL: Final = struct.Struct("<4s4B4H3L5H2L")
CENTRAL_SIGNATURE: Final = b"PK\x01\x02"
END: Final = struct.Struct("<4s4H2LH")
END_SIGNATURE: Final = b"PK\x05\x06"
END64: Final = struct.Struct("<4sQ2H2L4Q")
END64_SIGNATURE: Final = b"PK\x06\x06"
LOCATOR64: Final = struct.Struct("<4sLQL")
LOCATOR64_SIGNATURE: Final = b"PK\x06\x07"

NEEDS_64: Final = 0xFFFF_FFFF
"""What a 32-bit number says when the true one stands in the Zip64 part."""
COUNT_NEEDS_64: Final = 0xFFFF
EXTRA_64: Final = 1
"""The id of the Zip64 part among the extra fields."""

FLAG_UTF8: Final = 0x800
UNIX: Final = 3

_VERSION: Final = 20
_VERSION_64: Final = 45
_TIME: Final = 12 << 11
_DATE: Final = 0x22
"""1980-01-02 12:00. Such times are local. From the earliest one, 36 hours before, a file unzips to 1979 as
other zones see it (they are up to 26 hours apart), and some tools refuse to zip what is older than 1980."""
_REGULAR_FILE: Final = 0o100644 << 16
_GROWTH: Final = 1 << 24
"""How much larger a member of 4 GiB might become by compressing it: far more than deflate ever adds."""


class Entry(NamedTuple):
    """One deflated member. `offset` is where its local header lies."""

    name: str
    crc: int
    compressed: int
    size: int
    offset: int

    @property
    def is_64(self) -> bool:
        """Whether its sizes need Zip64; told before it is compressed, so it may be true for a little less."""
        return self.size >= NEEDS_64 - _GROWTH


def local_header(entry: Entry) -> bytes:
    """What stands before the data of a member. As long as that whatever the CRC and the sizes are."""
    name = entry.name.encode()
    extra = struct.pack("<2H2Q", EXTRA_64, 16, entry.size, entry.compressed) if entry.is_64 else b""
    compressed, size = (NEEDS_64, NEEDS_64) if entry.is_64 else (entry.compressed, entry.size)
    version = _VERSION_64 if entry.is_64 else _VERSION
    return (
        LOCAL.pack(
            LOCAL_SIGNATURE, version, _flags(name), DEFLATED, _TIME, _DATE,
            entry.crc, compressed, size, len(name), len(extra),
        )
        + name
        + extra
    )  # fmt: skip


def central_record(entry: Entry) -> bytes:
    """The member in the directory."""
    name = entry.name.encode()
    far = entry.offset >= NEEDS_64
    numbers = [entry.size, entry.compressed] if entry.is_64 else []
    numbers += [entry.offset] if far else []
    extra = struct.pack(f"<2H{len(numbers)}Q", EXTRA_64, 8 * len(numbers), *numbers) if numbers else b""
    compressed, size = (NEEDS_64, NEEDS_64) if entry.is_64 else (entry.compressed, entry.size)
    version = _VERSION_64 if numbers else _VERSION
    return (
        CENTRAL.pack(
            CENTRAL_SIGNATURE, version, UNIX, version, 0, _flags(name), DEFLATED, _TIME, _DATE,
            entry.crc, compressed, size, len(name), len(extra), 0, 0, 0, _REGULAR_FILE,
            NEEDS_64 if far else entry.offset,
        )
        + name
        + extra
    )  # fmt: skip


def end_records(count: int, size: int, offset: int) -> bytes:
    """What ends a zip whose directory of `count` members and `size` bytes begins at `offset`."""
    end64 = b""
    if count >= COUNT_NEEDS_64 or size >= NEEDS_64 or offset >= NEEDS_64:
        end64 = END64.pack(
            END64_SIGNATURE, END64.size - 12, UNIX << 8 | _VERSION_64, _VERSION_64, 0, 0,
            count, count, size, offset,
        ) + LOCATOR64.pack(LOCATOR64_SIGNATURE, 0, offset + size, 1)  # fmt: skip
    few = min(count, COUNT_NEEDS_64)
    return end64 + END.pack(END_SIGNATURE, 0, 0, few, few, min(size, NEEDS_64), min(offset, NEEDS_64), 0)


def _flags(name: bytes) -> int:
    return 0 if name.isascii() else FLAG_UTF8
