"""Errors as Dagster shows them: the three parts of an `ArchiveError` as a `Failure`."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from lse_dagster.errors import ArchiveError

NEXT_STEP_METADATA = "what to do next"


@contextmanager
def archive_errors_as_failures() -> Iterator[None]:
    """Turn an `ArchiveError` into a `Failure`; a final error allows no retries."""
    try:
        yield
    except ArchiveError as error:
        raise dg.Failure(
            description=f"{error.what}: {error.why}\nNext: {error.next_step}",
            metadata={"what failed": error.what, "why": error.why, NEXT_STEP_METADATA: error.next_step},
            allow_retries=error.transient,
        ) from error
