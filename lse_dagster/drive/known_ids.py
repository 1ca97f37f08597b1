"""The ids of what was made or changed on Drive lately, kept on disk: lists lag by minutes, an id never does.

One small file for each, so that any number of processes may write at once, on any file system. They are
hints: each is asked about before it is believed, and one that cannot be kept costs what a lagging list costs.
"""

import contextlib
import logging
import secrets
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

REMEMBERED: Final = 24 * 3600.0
"""Seconds. Lists have lagged by minutes (public reports, 2025); a day costs one question for each upload."""
_FRESH: Final = 600.0

_log = logging.getLogger(__name__)


class KnownId(msgspec.Struct, frozen=True):
    """Something in a folder of Drive, under a name. `at` in seconds since the epoch."""

    parent: str
    name: str
    id: str
    at: float

    def is_fresh(self, now: float) -> bool:
        """Whether Drive may not find it yet."""
        return now - self.at < _FRESH


class KnownIds:
    """What one archive knows, over processes if it has a directory. Thread-safe."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._known: dict[tuple[str, str], KnownId] = {}
        self._lock = threading.Lock()

    def remember(self, parent: str, name: str, file_id: str, *, now: float) -> None:
        """What is in this folder under this name; what was known before is forgotten."""
        known = KnownId(parent, name, file_id, now)
        with self._lock:
            self._known[parent, name] = known
        if self._directory is None:
            return
        place = self._place(parent, name)
        written = place.with_name(f".{secrets.token_hex(8)}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._remove_old(place.parent, now)
            written.write_bytes(msgspec.json.encode(known))
            written.replace(place)
        except OSError as error:
            _log.warning("What was made on Drive cannot be remembered (%s).", error)

    def forget(self, known: KnownId) -> None:
        """It is there no more."""
        with self._lock:
            self._known.pop((known.parent, known.name), None)
        if self._directory is not None:
            with contextlib.suppress(OSError):
                self._place(known.parent, known.name).unlink()

    def named(self, parent: str, name: str, *, now: float) -> KnownId | None:
        """What was put into this folder under this name lately."""
        found = self._known.get((parent, name))
        if self._directory is not None:
            found = _read(self._place(parent, name)) or found
        return found if found is not None and now - found.at < REMEMBERED else None

    def all_in(self, parent: str, *, now: float) -> list[KnownId]:
        """Everything that was put into this folder lately."""
        with self._lock:
            found = {known.name: known for known in self._known.values() if known.parent == parent}
        if self._directory is not None:
            found |= {known.name: known for known in _read_all(self._folder(parent))}
        return [known for known in found.values() if now - known.at < REMEMBERED]

    def _folder(self, parent: str) -> Path:
        assert self._directory is not None  # noqa: S101  asked by whoever calls
        return self._directory / sha256(parent.encode()).hexdigest()[:32]

    def _place(self, parent: str, name: str) -> Path:
        return self._folder(parent) / sha256(name.encode()).hexdigest()[:32]

    def _remove_old(self, folder: Path, now: float) -> None:
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > 2 * REMEMBERED:
                    path.unlink()


def _read_all(folder: Path) -> Iterator[KnownId]:
    try:
        places = list(folder.iterdir())
    except OSError:
        return
    yield from filter(None, map(_read, places))


def _read(place: Path) -> KnownId | None:
    try:
        return msgspec.json.decode(place.read_bytes(), type=KnownId)
    except (OSError, msgspec.MsgspecError):
        return None
