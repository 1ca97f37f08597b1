"""Where each asset lives: the day folder, the day zip, the Drive copy.

Between assets travels a handle (a path and a summary), never the data. Each IO manager puts a finished value
in its place under the overwrite policy, and hands out the handle to what reads it.
"""

import time
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from lse_dagster.day.drive_copy import upload_copy
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.staging import StagedDay
from lse_dagster.day.zip_file import DayZip
from lse_dagster.failure import Retries, archive_errors_as_failures
from lse_dagster.printable import printable
from lse_dagster.progress import Progress, amounts
from lse_dagster.resources import DriveResource, LocalStorage
from lse_dagster.zip_record import SHA256_METADATA

PROJECT_METADATA = "langsmith_project"


@dataclass(frozen=True)
class DayToPublish:
    """What `raw_runs` gives: a staged day and what it may replace."""

    staged: StagedDay
    overwrite: Overwrite


@dataclass(frozen=True)
class DayToZip:
    """What `day_zip` gives: a published day and what its zip may replace."""

    day: DayFolder
    overwrite: Overwrite


@dataclass(frozen=True)
class ZipToCopy:
    """What `drive_archive` gives: a zip and what its copy on Drive may replace."""

    zipped: DayZip
    overwrite: Overwrite
    recorded: str | None
    """The sha256 that the zip had when it was proved, as Dagster remembers it."""


def _only_partition(context: dg.InputContext) -> tuple[str, date]:
    upstream = context.upstream_output
    metadata = upstream.definition_metadata if upstream is not None else {}
    (key,) = context.asset_partition_keys
    return str(metadata[PROJECT_METADATA]), date.fromisoformat(key)


def _attempt(context: dg.OutputContext) -> int:
    """How often the step failed before."""
    return context.step_context.previous_attempt_count


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
            metadata |= {
                "runs_added": published.replaced.added,
                "runs_lost": published.replaced.lost,
                "attachments_lost": published.replaced.lost_attachments,
                "feedback_lost": published.replaced.lost_feedback,
            }
        context.add_output_metadata(metadata)

    def load_input(self, context: dg.InputContext) -> DayFolder:
        """The published day of the partition."""
        with archive_errors_as_failures():
            return self.storage.days.load(*_only_partition(context))


class DayZipIOManager(dg.ConfigurableIOManager):
    """Day zips in the archives directory."""

    storage: LocalStorage
    progress: Progress
    retries: Retries

    def handle_output(self, context: dg.OutputContext, obj: DayToZip) -> None:
        """Zip the day to its place. The day's lock keeps it from being replaced meanwhile."""
        started = time.monotonic()
        listener = self.progress.listener(context.log)
        with (
            self.retries.archive_errors(_attempt(context)),
            self.storage.days.locked(obj.day.project, obj.day.date),
        ):
            archived = self.storage.zips.archive(
                obj.day, obj.overwrite, on_progress=amounts(listener, "zipping")
            )
        zipped = archived.zip
        context.add_output_metadata(
            {
                "path": dg.MetadataValue.path(str(zipped.path.absolute())),
                "action": archived.action,
                "bytes": zipped.bytes,
                SHA256_METADATA: archived.sha256,
                "seconds": time.monotonic() - started,
            }
        )

    def load_input(self, context: dg.InputContext) -> DayZip:
        """The zip of the partition."""
        with archive_errors_as_failures():
            return self.storage.zips.load(*_only_partition(context))


class DriveIOManager(dg.ConfigurableIOManager):
    """Day zips in the project's folder on Drive."""

    drive: DriveResource
    progress: Progress
    retries: Retries

    def handle_output(self, context: dg.OutputContext, obj: ZipToCopy) -> None:
        """Copy the zip to Drive and verify the copy. What is there already is not sent again."""
        started = time.monotonic()
        listener = self.progress.listener(context.log)
        with self.retries.archive_errors(_attempt(context)), self.drive.connect(context.log) as drive:
            uploaded = upload_copy(
                drive,
                obj.zipped,
                obj.overwrite,
                recorded=obj.recorded,
                on_progress=amounts(listener, "uploading"),
            )
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
            }
        )

    def load_input(self, context: dg.InputContext) -> DayZip:
        """Refused: what is on Drive comes back as a day, through the `restore` job."""
        raise dg.Failure(
            description="A Drive copy is not loaded as an input: run the `restore` job for this partition.",
            allow_retries=False,
        )
