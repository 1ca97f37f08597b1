"""One archived project: the keys of its assets, its group, and the names of its jobs.

The first project of `LSE_PROJECTS` has plain keys; each further one a prefix, so that adding a project never
renames an asset and `--partition 2025-08-29` stays valid.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from lse_dagster.settings import MissingSetting


def daily_utc(start: date) -> dg.DailyPartitionsDefinition:
    """One partition per UTC date, keyed `YYYY-MM-DD`; a day exists once it is over."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone="UTC")


ASSETS = ("raw_runs", "day_zip", "drive_archive")
JOB_KINDS = ("archive", "restore", "verify", "reconcile", "expiry", "free_disk")


@dataclass(frozen=True)
class ArchivedProject:
    """A LangSmith project and how Dagster names what belongs to it. `name` is None without one."""

    name: str | None
    key_prefix: tuple[str, ...] = ()

    @property
    def configured_name(self) -> str:
        """The project's name. Raises `MissingSetting`."""
        if self.name is None:
            raise MissingSetting(
                "LSE_PROJECTS", "Put the name of your LangSmith project into .env: LSE_PROJECTS=my-project"
            )
        return self.name

    def key(self, asset: str) -> dg.AssetKey:
        """The key of one of the project's assets."""
        return dg.AssetKey([*self.key_prefix, asset])

    def op_name(self, asset: str) -> str:
        """The name under which run configuration addresses an asset."""
        return "__".join([*self.key_prefix, asset])

    @property
    def group(self) -> str:
        """The asset group; one per project."""
        return slug(self.name) if self.name is not None else "archive"

    def job_name(self, kind: str) -> str:
        """`archive` for the first project, `archive_<slug>` for the others."""
        return "_".join([kind, *self.key_prefix])

    def owns(self, run: dg.DagsterRun) -> bool:
        """Whether a run works on the project: by one of its jobs, or by a selection of its assets."""
        if run.job_name in {self.job_name(kind) for kind in JOB_KINDS}:
            return True
        checked = {check.asset_key for check in run.asset_check_selection or ()}
        return bool({self.key(asset) for asset in ASSETS} & ({*(run.asset_selection or ())} | checked))


def archived_projects(names: Sequence[str]) -> list[ArchivedProject]:
    """The projects in the order of `LSE_PROJECTS`; one without a name when there are none."""
    if not names:
        return [ArchivedProject(None)]
    first, *others = names
    return [ArchivedProject(first), *(ArchivedProject(name, (slug(name),)) for name in others)]


def slug(project: str) -> str:
    """A name that Dagster takes as a key part and group; a hash tells look-alikes apart."""
    ascii_text = unicodedata.normalize("NFKD", project).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", ascii_text.lower()).strip("_")
    if plain.replace("_", "-") == project:
        return plain
    tail = hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain}_{tail}" if plain else f"project_{tail}"
