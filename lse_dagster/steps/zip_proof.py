"""The proof of a day zip, without which none travels, and what the copy on Drive is held against.

A zip is proved once per content: every member is inflated and compared with the summary inside, and the
sha256 of the file then names what was proved. Who made the zip, and the copy on Drive, keep that hash; a file
that has another one by now has rotted or was replaced, and agrees with nothing.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lse_dagster.advice import lse_command
from lse_dagster.day.errors import BrokenZip, DiskError
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.directory import ZipDirectory
from lse_dagster.day.zip.verify import refuse_damage
from lse_dagster.steps.first_system.zips import first_system_runs, is_first_system_zip

if TYPE_CHECKING:  # Google's libraries take half a second to import
    from lse_dagster.drive.file import DriveFile

PROVED: Final = "lse_proved_sha256"
"""The property of a copy on Drive; with its value 81 bytes. Drive takes 124 (November 2026)."""


def prove_zip(path: Path, *, project: str, day: date, recorded: str | None = None) -> str:
    """The sha256 of the zip file, whose content is proved. `recorded` is that of one that was proved before.

    Raises `BrokenZip`, `InvalidSummary`, `DiskError`.
    """
    with ZipDirectory(path) as archive:
        return _prove(archive, project, day, recorded)


def _prove(archive: ZipDirectory, project: str, day: date, recorded: str | None = None) -> str:
    sha256 = archive.sha256()
    if sha256 == recorded:
        return sha256
    try:
        refuse_damage(archive, project=project, day=day)
    except BrokenZip as error:
        raise BrokenZip(
            f"Proving {archive.path.name}",
            f"The zip is damaged: {error.why}",
            f"Make it again from the day folder: {lse_command('archive zip', project, day)}. If the folder "
            f"is gone, restore it first ({lse_command('archive restore', project, day)}): the copy on Drive "
            "is untouched.",
        ) from error
    return sha256


@dataclass(frozen=True)
class CopyProof:
    """How a copy on Drive compares with what was proved. `sha256` is None where nothing could be proved."""

    differences: list[str]
    sha256: str | None


def prove_copy(
    copy: "DriveFile | None", path: Path, *, project: str, day: date, recorded: str | None = None
) -> CopyProof:
    """Compare what Drive reports now with the hash recorded when the zip was proved, and the zip here too.

    `recorded` is what the maker of the zip wrote down; the copy's own property counts as well. Where there is
    neither, the zip is proved now. Raises `DiskError`.
    """
    noted = copy.app_properties.get(PROVED) if copy is not None else None
    known = {sha256 for sha256 in (recorded, noted) if sha256 is not None}
    if not known:
        try:
            known = {_prove_any(path, project, day)}
        except (BrokenZip, InvalidSummary) as error:
            return CopyProof([f"the zip on this disk is damaged: {error.why.rstrip('.')}"], None)
    if (sha256 := _hash(path, "sha256")) not in known:
        again = lse_command("archive zip", project, day)
        return CopyProof(list(_rotted(copy, path, sha256, known, again)), None)
    return CopyProof(list(_compare(copy, path, sha256)), sha256)


def damage_of(path: Path, *, project: str, day: date) -> tuple[list[str], int]:
    """What is wrong with a zip by itself, as `prove_zip` finds it, and how many members it has."""
    try:
        with ZipDirectory(path) as archive:
            members = len(archive)
        _prove_any(path, project, day)
    except (BrokenZip, InvalidSummary) as error:
        return [error.why], 0
    return [], members


def compare_with_record(copy: "DriveFile | None", name: str, recorded: str | None) -> Iterator[str]:
    """How a copy on Drive differs from the zip that was proved, of a day of which nothing is here any more.

    `recorded` is what the maker of that zip wrote down; without it the copy's own property is believed.
    """
    if copy is None:
        yield f"{name} is neither on this disk nor on Drive"
        return
    proved = recorded or copy.app_properties.get(PROVED)
    if proved is None or copy.sha256 is None:
        silent = "no record" if proved is None else "Drive"
        yield f"{name} is on Drive alone, and {silent} tells no sha256: only a restore can verify it"
    elif copy.sha256 != proved:
        yield f"sha256 {copy.sha256} on Drive, recorded is {proved}"


def is_copy_of(copy: "DriveFile", path: Path) -> bool:
    """Whether Drive reports the size and checksum of the zip here. Raises `OSError`."""
    return copy.size == path.stat().st_size and copy.md5 == _hash(path, "md5")


def _prove_any(path: Path, project: str, day: date) -> str:
    """The sha256 of a zip of ours, or of the first system, which has no hashes: each member and its CRC."""
    with ZipDirectory(path) as archive:
        if not is_first_system_zip(archive):
            return _prove(archive, project, day)
        for _ in first_system_runs(archive):
            pass
        return archive.sha256()


def _rotted(
    copy: "DriveFile | None", path: Path, sha256: str, known: Collection[str], again: str
) -> Iterator[str]:
    was = " or ".join(sorted(known))
    yield (
        f"{path.name} on this disk is not what was proved: its sha256 is {sha256}, recorded is {was}. "
        f"`{again}` proves it again or makes it anew"
    )
    if copy is None:
        yield f"{path.name} is not on Drive"
    elif copy.sha256 is not None and copy.sha256 not in known:
        yield f"sha256 {copy.sha256} on Drive, recorded is {was}"


def _compare(copy: "DriveFile | None", path: Path, sha256: str) -> Iterator[str]:
    if copy is None:
        yield f"{path.name} is not on Drive"
        return
    size = path.stat().st_size
    if copy.size != size:
        yield f"{copy.size:,} bytes on Drive, {size:,} in the zip"
    if copy.sha256 is not None:
        if copy.sha256 != sha256:
            yield f"sha256 {copy.sha256} on Drive, {sha256} of the zip that was proved"
    elif copy.md5 != (md5 := _hash(path, "md5")):  # the zip has been found to be the one that was proved
        yield f"md5 {copy.md5} on Drive, {md5} of the zip"


def _hash(path: Path, algorithm: Literal["md5", "sha256"]) -> str:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    except OSError as error:
        raise DiskError(f"Reading the zip {path}", error) from error
    return digest.hexdigest()
