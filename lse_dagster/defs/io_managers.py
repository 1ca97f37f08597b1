"""Where each asset lives: the day folder, the day zip, the Drive copy.

Between assets travels a handle (a path and a summary), never the data. Each IO manager puts a finished value
in its place under the overwrite policy, and hands out the handle to what reads it.
"""

import time
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.space import FreeBytes
from lse_dagster.day.staging import DecidedDay
from lse_dagster.day.zip.file import DayZip
from lse_dagster.defs.failure import Retries, archive_errors_as_failures
from lse_dagster.defs.metadata import SHA256_METADATA, numbers_of_replacement
from lse_dagster.defs.progress import Progress, amounts
from lse_dagster.defs.project import PROJECT_METADATA
from lse_dagster.defs.resources import DriveResource, LocalStorage
from lse_dagster.errors import printable
from lse_dagster.net.backoff import Backoff
from lse_dagster.steps.beside import bring_others
from lse_dagster.steps.upload import upload_day
from lse_dagster.steps.zip import zip_day


@dataclass(frozen=True)
class DayToPublish:
    """What `raw_runs` gives: a day in its staging folder, or in its place, and what it may replace."""

    staged: DecidedDay
    overwrite: Overwrite


@dataclass(frozen=True)
class DayToZip:
    """What `day_zip` gives: a published day and what its zip may replace. `free` looks at the disk."""

    day: DayFolder
    overwrite: Overwrite
    free: FreeBytes


@dataclass(frozen=True)
class ZipToCopy:
    """What `drive_archive` gives: a zip and what its copy on Drive may replace."""

    zipped: DayZip
    overwrite: Overwrite
    recorded: str | None
    """The sha256 that the zip had when it was proved, as Dagster remembers it."""
    free: FreeBytes


def _only_partition(context: dg.InputContext) -> tuple[str, date]:
    upstream = context.upstream_output
    metadata = upstream.definition_metadata if upstream is not None else {}
    (key,) = context.asset_partition_keys
    return str(metadata[PROJECT_METADATA]), date.fromisoformat(key)


def _attempt(context: dg.OutputContext) -> int:
    """How often the step failed before."""
    return context.step_context.previous_attempt_count


def _set_aside(path: Path | None) -> dict[str, Any]:
    """Where that lies now which could not be read whole."""
    return {"set_aside": dg.MetadataValue.path(str(path.absolute()))} if path is not None else {}


class DayFolderIOManager(dg.ConfigurableIOManager):
    """Day folders below the data directory."""

    storage: LocalStorage
    retries: Retries

    def handle_output(self, context: dg.OutputContext, obj: DayToPublish) -> None:
        """Publish the staged day in one step."""
        with self.retries.archive_errors(_attempt(context)):
            published = self.storage.days.publish(obj.staged, obj.overwrite)
        metadata: dict[str, Any] = {
            "path": dg.MetadataValue.path(str(published.day.path.absolute())),
            "action": published.action,
        }
        if published.replaced is not None:
            numbers = numbers_of_replacement(published.replaced)
            metadata |= numbers
            told = ", ".join(
                f"{name.replace('_', ' ')}: {count:,}" for name, count in numbers.items() if count
            )
            context.log.info(f"Beside the day that was there: {told or 'nothing is new, changed or kept'}")
        context.add_output_metadata(metadata | _set_aside(published.set_aside))

    def load_input(self, context: dg.InputContext) -> DayFolder:
        """The published day of the partition."""
        with archive_errors_as_failures():
            return self.storage.days.load(*_only_partition(context))


class DayZipIOManager(dg.ConfigurableIOManager):
    """Day zips in the archives directory."""

    storage: LocalStorage
    drive: DriveResource
    progress: Progress
    retries: Retries

    def handle_output(self, context: dg.OutputContext, obj: DayToZip) -> None:
        """Zip the day to its place."""
        started = time.monotonic()
        listener = self.progress.listener(context.log)
        with self.retries.archive_errors(_attempt(context)):
            places = self.storage.places(self.drive, context.log, obj.free)
            archived = zip_day(places, obj.day, obj.overwrite, on_progress=amounts(listener, "zipping"))
            bring_others(places.days.others(obj.day), partial(zip_day, places), places.tell)
        zipped = archived.zip
        context.add_output_metadata(
            {
                "path": dg.MetadataValue.path(str(zipped.path.absolute())),
                "action": archived.action,
                "bytes": zipped.bytes,
                SHA256_METADATA: archived.sha256,
                "seconds": time.monotonic() - started,
                **_set_aside(archived.set_aside),
            }
        )

    def load_input(self, context: dg.InputContext) -> DayZip:
        """The zip of the partition."""
        with archive_errors_as_failures():
            return self.storage.zips.load(*_only_partition(context))


class DriveIOManager(dg.ConfigurableIOManager):
    """Day zips in the project's folder on Drive."""

    storage: LocalStorage
    drive: DriveResource
    progress: Progress
    retries: Retries

    def handle_output(self, context: dg.OutputContext, obj: ZipToCopy) -> None:
        """Copy the zip to Drive and verify the copy. What is there already is not sent again."""
        started = time.monotonic()
        listener = self.progress.listener(context.log)
        backoff = Backoff(patience=self.retries.patience_seconds)
        with (
            self.retries.archive_errors(_attempt(context)),
            self.drive.connect(context.log, backoff=backoff) as drive,
        ):
            places = self.storage.places(self.drive, context.log, obj.free)
            sent = upload_day(
                drive,
                places,
                obj.zipped,
                obj.overwrite,
                recorded=obj.recorded,
                on_progress=amounts(listener, "uploading"),
            )
            bring_others(places.zips.others(sent.zip), partial(upload_day, drive, places), places.tell)
        uploaded = sent.uploaded
        context.log.info(
            f"{printable(uploaded.file.name)} on Drive: {uploaded.action}, {uploaded.bytes_sent:,} bytes sent"
        )
        if uploaded.twins_removed:
            context.log.warning(
                f"{uploaded.file.name} was on Drive {len(uploaded.twins_removed) + 1} times with the same "
                f"content; one is kept, in the trash now: {', '.join(uploaded.twins_removed)}"
            )
        context.add_output_metadata(
            {
                "drive_link": dg.MetadataValue.url(printable(uploaded.file.web_view_link)),
                "drive_file_id": uploaded.file.id,
                "action": uploaded.action,
                "bytes": uploaded.file.size,
                "bytes_sent": uploaded.bytes_sent,
                "md5": uploaded.file.md5,
                "requests": uploaded.requests,
                "retries": uploaded.retries,
                "seconds": time.monotonic() - started,
                **({"set_aside": sent.set_aside} if sent.set_aside is not None else {}),
            }
        )

    def load_input(self, context: dg.InputContext) -> DayZip:
        """Refused: what is on Drive comes back as a day, through the `restore` job."""
        raise dg.Failure(
            description="A Drive copy is not loaded as an input: run the `restore` job for this partition.",
            allow_retries=False,
        )
