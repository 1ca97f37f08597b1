"""Errors as Dagster shows them: the three parts of an `ArchiveError` as a `Failure`; which are tried again.

Not by Dagster's `RetryPolicy`: that also repeats what nobody foresaw, and a step that a person has just
canceled (1.13.27: the canceled run then succeeds).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import dagster as dg
from pydantic import Field

from lse_dagster.defs.alerts.causes import cause_of
from lse_dagster.errors import ArchiveError
from lse_dagster.net.backoff import PATIENCE

WHAT_METADATA = "what failed"
WHY_METADATA = "why"
NEXT_STEP_METADATA = "what to do next"
CAUSE_METADATA = "cause"
"""By what people are told once of all failures that have it; `causes` names it."""


@contextmanager
def archive_errors_as_failures() -> Iterator[None]:
    """Turn an `ArchiveError` into a `Failure`; a final error allows no retries."""
    try:
        yield
    except ArchiveError as error:
        raise dg.Failure(
            description=f"{error.what}: {error.why}\nNext: {error.next_step}",
            metadata=parts_of_error(error),
            allow_retries=error.transient,
        ) from error


def parts_of_error(error: ArchiveError) -> dict[str, str]:
    """An error as metadata."""
    return {
        WHAT_METADATA: error.what,
        WHY_METADATA: error.why,
        NEXT_STEP_METADATA: error.next_step,
        CAUSE_METADATA: cause_of(error),
    }


def parts_of_failure(event: dg.DagsterEvent, *, otherwise_next: str) -> tuple[str, str, str]:
    """What failed, why, and what to do next, of a step that failed: the three parts of its `ArchiveError`.

    Of an error that nobody foresaw, `otherwise_next` is the third.
    """
    told, error = event.step_failure_data.user_failure_data, event.step_failure_data.error
    parts = {name: str(value.value) for name, value in told.metadata.items()} if told is not None else {}
    words = (error.cause or error).message.strip() if error is not None else "no reason was recorded"
    return (
        parts.get(WHAT_METADATA, f"Running {event.step_key}"),
        parts.get(WHY_METADATA, f"An error that nobody foresaw: {words}"),
        parts.get(NEXT_STEP_METADATA, otherwise_next),
    )


def error_of_result(metadata: Mapping[str, dg.MetadataValue]) -> tuple[str, str, str] | None:
    """What failed, why and what to do next, of a check that could not be made; None of one that was."""
    names = (WHAT_METADATA, WHY_METADATA, NEXT_STEP_METADATA)
    if not all(name in metadata for name in names):
        return None
    what, why, next_step = (str(metadata[name].value) for name in names)
    return what, why, next_step


class Retries(dg.ConfigurableResource):  # type: ignore[type-arg]
    """How a step is tried again after an error that may pass by itself.

    The step waits outside of its pool, so another day may have its turn, and does not wait long inside: a
    project whose server is away must not keep the others from theirs. What lasts longer than all the waits is
    left to the reconciliation sensor, which asks for the day again hours later.
    """

    most: int = Field(default=3, ge=0, description="How often a step is tried again. 0: never.")
    first_wait_seconds: float = Field(
        default=60.0, ge=0, description="The next waits are 3 and 7 times as long; each varies by this much."
    )
    patience_seconds: float = Field(
        default=60.0,
        ge=0,
        description="How long one request is tried again, in its place in the pool.",
    )

    def is_last(self, attempt: int) -> bool:
        """Whether no attempt comes after this one, whatever it ends with. The first attempt is 0."""
        return attempt >= self.most

    @contextmanager
    def archive_errors(self, attempt: int) -> Iterator[None]:
        """Turn an `ArchiveError` into a `Failure`, or into Dagster's `RetryRequested` if it may pass."""
        try:
            with archive_errors_as_failures():
                yield
        except dg.Failure as failure:
            if not failure.allow_retries or self.is_last(attempt):
                raise
            rule = dg.RetryPolicy(
                self.most, self.first_wait_seconds, dg.Backoff.EXPONENTIAL, dg.Jitter.PLUS_MINUS
            )
            raise dg.RetryRequested(self.most, rule.calculate_delay(attempt + 1)) from failure


AT_A_TERMINAL: Final = Retries(most=0, patience_seconds=PATIENCE)
"""Who waits there is told why; nothing is tried again by itself."""
