"""The archives directory: where each day's zip lies."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path

from lse_dagster.day.errors import BrokenZip, NoSuchZip
from lse_dagster.day.identity import id_hash, place_of, scan
from lse_dagster.day.names import day_zip_name, parse_day_zip_name
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.file import DayZip, read_zip, summary_in_zip
from lse_dagster.day.zip.writer import DEFAULT_LEVEL


class ZipStore:
    """All day zips of one archives directory; new ones are deflated at `level`, 1 to 9."""

    def __init__(self, root: Path, *, level: int = DEFAULT_LEVEL) -> None:
        self.root = root
        self.level = level

    def zip_path(self, project: str, day: date, project_id: str = "") -> Path:
        """`<root>/<project>_<YYYY-MM-DD>.zip`, or beside it where a zip of another id lies there.

        Without an id the latest of what lies there is meant.
        """
        hashed = id_hash(project_id)
        return place_of(
            lambda beside: self.root / day_zip_name(project, day, beside),
            [hashed] if hashed else self._besides(project, day),
            lambda path: summary_in_zip(path, project=project, day=day),
            hashed,
        )

    def others(self, zipped: DayZip) -> Iterator[DayZip]:
        """The zips of other projects of the same name that lie beside this one, and can be read."""
        project, day = zipped.project, zipped.date
        for path in self.paths(project, day):
            if path != zipped.path and path.is_file():
                with suppress(BrokenZip, InvalidSummary):
                    yield read_zip(path, project=project, day=day)

    def paths(self, project: str, day: date) -> list[Path]:
        """Where zips of the day lie, or would: of all projects of the name."""
        return [
            self.root / day_zip_name(project, day, beside) for beside in ("", *self._besides(project, day))
        ]

    def _besides(self, project: str, day: date) -> list[str]:
        found = scan(self.root, partial(parse_day_zip_name, project))
        return sorted(beside for (at, beside), _ in found if at == day and beside)

    def load(self, project: str, day: date, project_id: str = "") -> DayZip:
        """The day's zip. Raises `NoSuchZip`, `BrokenZip`, `InvalidSummary`."""
        return read_zip(self.existing_path(project, day, project_id), project=project, day=day)

    def existing_path(self, project: str, day: date, project_id: str = "") -> Path:
        """Where the day's zip lies, whatever is in it. Raises `NoSuchZip`."""
        path = self.zip_path(project, day, project_id)
        if not path.exists():
            raise NoSuchZip(project, day, path)
        return path
