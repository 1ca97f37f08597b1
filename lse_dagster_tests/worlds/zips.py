"""What tests ask of a day zip that lies somewhere: it is opened for each question."""

from pathlib import Path
from typing import Any

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.zip import verify
from lse_dagster.day.zip.directory import ZipDirectory


def differences_of(path: Path, day: DayFolder) -> list[str]:
    """Every difference between a zip and a day."""
    with ZipDirectory(path) as archive:
        return list(verify.compare_with_day(archive, day))


def extract_zip(path: Path, folder: Path, **how: Any) -> DayFolder:
    """The day in a zip, extracted into an empty folder."""
    with ZipDirectory(path) as archive:
        return verify.extract_zip(archive, folder, **how)
