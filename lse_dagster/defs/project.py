"""One archived project: the keys of its assets, its group, and the names of its jobs.

The first project of `LSE_PROJECTS` has plain keys; each further one a prefix, so that adding a project never
renames an asset and `--partition 2025-08-29` stays valid.
"""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import dagster as dg

from lse_dagster.day.names import project_path_part
from lse_dagster.errors import ArchiveError, printable
from lse_dagster.settings import no_project, why_no_project

PROJECT_TAG: Final = "lse/langsmith_project"
"""Of runs: the project's name, as in paths."""
SHOWN_PROJECT_TAG: Final = "lse/project"
"""Of runs, schedules and sensors: the name as LangSmith shows it, to filter by. Of assets: their group."""
SKIPPED_TAG: Final = "lse/skipped"
"""Of runs that had nothing to do: why. The lists of runs show it."""
NOT_ON_DRIVE: Final = "not on Drive"
FORGOTTEN: Final = "forgotten by LangSmith"
PROJECT_METADATA: Final = "langsmith_project"
"""Of the definitions of assets: the project's name."""
LANGSMITH_POOL: Final = "langsmith"
DRIVE_POOL: Final = "drive"
_ASSETS: Final = ("raw_runs", "day_zip", "drive_archive")
_JOB_KINDS: Final = ("archive", "restore", "verify", "reconcile", "expiry", "free_disk")
_LONGEST_SLUG: Final = 63
"""Characters. Dagster refuses the tag of an asset that is longer, and with it all definitions (1.13)."""


def daily_utc(start: date) -> dg.DailyPartitionsDefinition:
    """One partition per UTC date, keyed `YYYY-MM-DD`; a day exists once it is over."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone="UTC")


@dataclass(frozen=True)
class ArchivedProject:
    """A LangSmith project and how Dagster names what belongs to it. `name` is None without one."""

    name: str | None
    key_prefix: tuple[str, ...] = ()
    wrong: ArchiveError | None = field(default=None, compare=False)
    """A setting that is in the way of every step."""
    is_former: bool = False
    """Whether LSE_PROJECTS names it no more: nothing of it is fetched; what is here is sent to Drive."""

    @property
    def configured_name(self) -> str:
        """The project's name, for a step to work by. Raises `MissingSetting`, or what is `wrong`."""
        if self.wrong is not None:
            raise self.wrong
        if self.name is None:
            raise no_project()
        return self.name

    @property
    def recorded_name(self) -> str | None:
        """The name as records and runs say it: as in paths. That is harmless, and no other's."""
        return project_path_part(self.name) if self.name is not None else None

    def key(self, asset: str) -> dg.AssetKey:
        """The key of one of the project's assets."""
        return dg.AssetKey([*self.key_prefix, asset])

    @property
    def keys(self) -> list[dg.AssetKey]:
        """The keys of all its assets, in the order of the data."""
        return [self.key(asset) for asset in _ASSETS]

    def all_keys(self, asset: str) -> list[dg.AssetKey]:
        """Under which keys there may be records of the project: its own first, then those that it has at
        another place in `LSE_PROJECTS`."""
        elsewhere = {(), (slug(self.name),)} if self.name is not None else set()
        return [
            self.key(asset),
            *(dg.AssetKey([*prefix, asset]) for prefix in sorted(elsewhere - {self.key_prefix})),
        ]

    def run_tags(self, kind: str) -> dict[str, str]:
        """The tags of its runs of one kind of job."""
        named = {PROJECT_TAG: self.recorded_name} if self.recorded_name is not None else {}
        return {"lse/kind": kind, **named, **self.shown_tags}

    @property
    def shown_name(self) -> str | None:
        """The name as people read it: keys and groups may not hold all of its characters."""
        return printable(self.name) if self.name is not None else None

    @property
    def shown_tags(self) -> dict[str, str]:
        """The tag that lists are filtered by."""
        return {SHOWN_PROJECT_TAG: self.shown_name} if self.shown_name is not None else {}

    def described(self, text: str) -> str:
        """A description of something of the project: which one comes first."""
        return f"{self.shown_name}: {text}" if self.shown_name is not None else text

    def op_name(self, asset: str) -> str:
        """The name under which run configuration addresses an asset."""
        return "__".join([*self.key_prefix, asset])

    @property
    def group(self) -> str:
        """The asset group; one per project."""
        if self.key_prefix:
            return self.key_prefix[0]
        return slug(self.name) if self.name is not None else "archive"

    def job_name(self, kind: str) -> str:
        """`archive` for the first project, `archive_<slug>` for the others."""
        return "_".join([kind, *self.key_prefix])

    def owns(self, run: dg.DagsterRun) -> bool:
        """Whether a run works on the project: as its tag says, which its jobs give it.

        A run without one by the job, or by a selection of its assets: `LSE_PROJECTS` may have been reordered.
        """
        if (named := run.tags.get(PROJECT_TAG)) is not None:
            return named == self.recorded_name
        if run.job_name in {self.job_name(kind) for kind in _JOB_KINDS}:
            return True
        checked = {check.asset_key for check in run.asset_check_selection or ()}
        return bool({*self.keys} & ({*(run.asset_selection or ())} | checked))


def archived_projects(
    names: Sequence[str], wrong: ArchiveError | None = None, *, here: Iterable[str] = ()
) -> list[ArchivedProject]:
    """The projects in the order of `LSE_PROJECTS`; one without a name when there are none.

    Then those that are `here` and were named there once. Each has keys of its own. A name that no project can
    have is left out; the others keep their keys.
    """
    first, *others = dict.fromkeys(names) or [None]
    found = [] if first is not None and why_no_project(first) else [ArchivedProject(first, wrong=wrong)]
    taken: set[str] = set()
    former = sorted({*here} - {*names})
    for name in filter(None, (*others, *former)):
        if not why_no_project(name):
            # Two names may make one slug: the later one gets another, so that the first keeps its history.
            key = next(one for one in _slugs(name) if one not in taken)
            taken.add(key)
            found.append(ArchivedProject(name, (key,), wrong, is_former=name in former))
    return found


def slug(project: str) -> str:
    """A name that Dagster takes as key part, group and tag; a hash tells apart what looks alike or is cut."""
    return next(_slugs(project))


def _slugs(project: str) -> Iterator[str]:
    """The slug of a project, then others for it, without end."""
    ascii_text = unicodedata.normalize("NFKD", project).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", ascii_text.lower()).strip("_")
    if plain.replace("_", "-") == project and len(plain) <= _LONGEST_SLUG:
        yield plain
    for number in itertools.count():
        salted = f"{number}/{project}" if number else project
        tail = hashlib.sha256(salted.encode("utf-8", "surrogatepass")).hexdigest()[:6]
        yield f"{(plain or 'project')[: _LONGEST_SLUG - 1 - len(tail)].rstrip('_')}_{tail}"
