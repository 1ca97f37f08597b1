"""Changing single fields of a zip, as someone hostile or a failing disk would."""

import struct
import zipfile
from pathlib import Path

LOCAL_FIELDS = {
    "flags": (6, "<H"),
    "method": (8, "<H"),
    "crc": (14, "<L"),
    "compressed": (18, "<L"),
    "size": (22, "<L"),
}
CENTRAL_FIELDS = {
    "made by": (5, "<B"),
    "flags": (8, "<H"),
    "method": (10, "<H"),
    "crc": (16, "<L"),
    "compressed": (20, "<L"),
    "size": (24, "<L"),
    "attributes": (38, "<L"),
    "offset": (42, "<L"),
}


class ZipBytes:
    """A zip in memory; `save` writes it back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.data = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            self._local = {info.filename: info.header_offset for info in archive.infolist()}
            at = archive.start_dir
            self._central = {}
            for info in archive.infolist():
                self._central[info.filename] = at
                at += 46 + len(info.filename.encode()) + len(info.extra)

    def names(self) -> list[str]:
        """The members, in order."""
        return list(self._local)

    def get(self, name: str, field: str) -> int:
        """A field of the directory."""
        offset, form = CENTRAL_FIELDS[field]
        (value,) = struct.unpack_from(form, self.data, self._central[name] + offset)
        return int(value)

    def set(self, name: str, field: str, value: int, *, local: bool = True, central: bool = True) -> None:
        """Change a field in the local header, in the directory, or in both where both have it."""
        if local and field in LOCAL_FIELDS:
            offset, form = LOCAL_FIELDS[field]
            struct.pack_into(form, self.data, self._local[name] + offset, value)
        if central:
            offset, form = CENTRAL_FIELDS[field]
            struct.pack_into(form, self.data, self._central[name] + offset, value)

    def rename(self, name: str, new: str, *, local: bool = True, central: bool = True) -> None:
        """Give a member another name of the same length."""
        raw = new.encode()
        assert len(raw) == len(name.encode())
        for is_wanted, at in ((local, self._local[name] + 30), (central, self._central[name] + 46)):
            if is_wanted:
                self.data[at : at + len(raw)] = raw

    def save(self) -> None:
        """Write the zip back."""
        self._path.write_bytes(self.data)
