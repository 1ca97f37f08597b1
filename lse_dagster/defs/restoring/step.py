"""Bringing one day back from Drive in a step of Dagster; a day that is not there is skipped, and says so."""

import logging
from datetime import date
from functools import partial
from typing import Final

import dagster as dg

from lse_dagster.day.foreign import left_out
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.space import FreeBytes
from lse_dagster.day.staging import DecidedDay
from lse_dagster.defs.dagster_internals import take_back_planned_checks
from lse_dagster.defs.metadata import DayMetadata, tables_of_day
from lse_dagster.defs.progress import Listener, amounts
from lse_dagster.defs.project import FORGOTTEN, NOT_ON_DRIVE, SKIPPED_TAG, ArchivedProject
from lse_dagster.defs.resources import DriveResource, LangSmithResource, LocalStorage
from lse_dagster.errors import ArchiveError, printable
from lse_dagster.langsmith.clock import LangSmithClock
from lse_dagster.langsmith.errors import DayForgotten
from lse_dagster.langsmith.server import project_id
from lse_dagster.net.backoff import Backoff
from lse_dagster.steps.restore import NotOnDrive, copy_to_restore, stage_from_drive
from lse_dagster.steps.union import take_as_it_is

_PATIENCE_FOR_AN_ID: Final = 10.0


def is_restore(run: dg.DagsterRun, project: ArchivedProject) -> bool:
    """Whether a run is one of the restore job, which reads from Drive whatever its config says.

    `dagster job execute` leaves out the config that a job was defined with; without this it would fetch the
    day from LangSmith under the name of a restore.
    """
    return run.job_name == project.job_name("restore")


def skip(
    context: dg.AssetExecutionContext, project: ArchivedProject, absent: NotOnDrive | DayForgotten
) -> None:
    """Say in one line, and on the run itself, that the day cannot be had. What is here stays as it is.

    So do the checks of the project's assets: what follows is skipped with it, and nothing is made that could
    be checked.
    """
    context.log.info(f"Skipped: {printable(absent.why)} Nothing was changed here.")
    reason = NOT_ON_DRIVE if isinstance(absent, NotOnDrive) else FORGOTTEN
    context.instance.add_run_tags(context.run.run_id, {SKIPPED_TAG: reason})
    take_back_planned_checks(context.instance, context.run.run_id, project.keys)


def restore_day(
    project: str,
    day: date,
    *,
    langsmith: LangSmithResource,
    drive: DriveResource,
    storage: LocalStorage,
    log: logging.Logger,
    listener: Listener,
    overwrite: Overwrite,
    wanted_id: str,
    patience_seconds: float,
    clock: LangSmithClock,
    free: FreeBytes,
) -> tuple[DecidedDay, DayMetadata]:
    """The day as its copy on Drive has it, verified, and what is to be recorded of it.

    `wanted_id`: LangSmith's id of the project, or none: then that of now, where Drive has days of several.

    Raises `NotOnDrive`, `NothingOnDrive`, and as `stage_from_drive` and `take_as_it_is`.
    """
    log.info(f"Restoring {day} of {project!r} from Drive")
    present_id = partial(_present_id, langsmith, log, project)
    with drive.connect(log, backoff=Backoff(patience=patience_seconds)) as archive:
        copy, others = copy_to_restore(archive, project, day, wanted_id or present_id)
        for other in others:
            log.warning(
                f"{printable(other)} is on Drive, too: that day of another project of the same "
                "name. To restore it, give that project's id as `project_id`."
            )
        restored = stage_from_drive(
            archive,
            storage.days,
            project,
            day,
            copy=copy,
            here=storage.zips.paths(project, day),
            overwrite=overwrite,
            free=free,
            on_download=amounts(listener, "downloading"),
            on_extract=amounts(listener, "extracting"),
        )
    if not restored.bytes_received:
        log.info("Taken from the zip here, the same as on Drive by size and checksum: nothing was downloaded")
    if restored.foreign:
        log.info(left_out(restored.foreign))
    decided = take_as_it_is(restored.staged, storage.places(None, log), overwrite, now=clock.now)
    return decided, {**tables_of_day(restored.tally), "bytes_received": restored.bytes_received}


def _present_id(langsmith: LangSmithResource, log: logging.Logger, project: str) -> str:
    """LangSmith's id of the project that has the name now; empty where it could not be asked."""
    try:
        with langsmith.connect(log, patience_seconds=_PATIENCE_FOR_AN_ID) as transport:
            return project_id(transport, project)
    except ArchiveError as error:
        log.info(f"Which project has this name now could not be asked. {error}")
        return ""
