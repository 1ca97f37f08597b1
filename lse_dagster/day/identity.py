"""Which day: a project and a date, and LangSmith's id of the project.

A project that was deleted and made again under its name, or that another workspace has under the same name,
is another project. Where a day of another id lies at a day's place, the new one lies beside it: its names end
in a short hash of its id. Here alone is looked for what lies under the names of days, and decided under which
name a day lies; each place is asked for itself.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from lse_dagster.day.errors import OverwriteRefused

if TYPE_CHECKING:
    from lse_dagster.day.summary import SummaryHead

Name = TypeVar("Name")

_HASH_LENGTH: Final = 8
_HASH: Final = re.compile(f"[0-9a-f]{{{_HASH_LENGTH}}}")


class OtherProject(OverwriteRefused):
    """What is there is of another project of the same name: it is neither replaced nor compared."""

    def __init__(self, what: str, where: str, *, there: str, new: str) -> None:
        super().__init__(
            what,
            f"{where} is of the project with the id {there}, the new one of that with the id {new}: another "
            "project of the same name.",
            "Keep both. Move what lies there to a place of its own, then run this again.",
        )


@dataclass(frozen=True)
class Lying:
    """What lies under one of the names of a day."""

    beside: str
    """What its name ends in; empty at the plain name."""
    id_hash: str
    """Empty where it says no id, or cannot be read."""
    since: str
    """What tells which of several is the latest: when it was fetched."""


def id_hash(project_id: str) -> str:
    """The short hash of a project's id; empty of an empty one.

    A hash is its own: it is all that the name of a copy on Drive tells of a project that is gone.
    """
    if not project_id or _HASH.fullmatch(project_id):
        return project_id
    return hashlib.sha256(project_id.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]


def is_other(one: str, other: str) -> bool:
    """Whether two ids, or hashes of ids, are those of two projects. A day without an id adopts any."""
    return bool(one) and bool(other) and one != other


def beside_of(lying: Sequence[Lying], hashed: str) -> str:
    """What the name of the day with this hash of its id ends in; empty at the plain name.

    Without an id it is the latest that is meant: that of the project of now.
    """
    if not hashed:
        return max(lying, key=lambda one: one.since).beside if lying else ""
    is_taken = any(not one.beside and is_other(one.id_hash, hashed) for one in lying)
    return hashed if is_taken or any(one.beside == hashed for one in lying) else ""


def lying_under(beside: str, head: "SummaryHead | None") -> Lying:
    """What is to be known of what lies under a day's name, to tell which is meant."""
    if head is None:
        return Lying(beside, beside, "")
    return Lying(beside, id_hash(head.project_id), head.fetched_at)


def place_of(
    path: Callable[[str], Path],
    besides: Sequence[str],
    head: Callable[[Path], "SummaryHead | None"],
    hashed: str,
) -> Path:
    """Where the day with this hash of its id lies, or is to lie; without one the latest.

    `path` says where a name with this end lies; `besides` are the ends that names there may have.
    """
    if not besides:
        return path("")
    there = [beside for beside in ("", *besides) if os.path.lexists(path(beside))]
    return path(beside_of([lying_under(beside, head(path(beside))) for beside in there], hashed))


def scan(
    folder: Path,
    parse: Callable[[str], Name | None],
    is_kind: Callable[[os.DirEntry[str]], bool] = lambda _: True,
) -> Iterator[tuple[Name, Path]]:
    """What lies in a folder under names that can be parsed; nothing where it cannot be read.

    What cannot be told to be of the kind, such as a link to itself, is not.
    """
    try:
        entries = [*os.scandir(folder)]
    except OSError:
        return
    for entry in entries:
        name = parse(entry.name)
        try:
            if name is not None and is_kind(entry):
                yield name, Path(entry.path)
        except OSError:
            continue
