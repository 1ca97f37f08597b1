"""Whether all the feedback that the runs of a day speak of is archived: the records in its files, counted."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from lse_dagster.day.summary import Summary
from lse_dagster.day.trace_file import TraceFile
from lse_dagster.run.feedback import ShortFeedback, count_records
from lse_dagster.run.identity import RunIdentity


@dataclass(frozen=True)
class FeedbackFound:
    """How many records there are, how many the runs speak of, and the runs that lack some."""

    records: int
    said: int
    lacking: tuple[ShortFeedback, ...]


class FeedbackExamination:
    """Takes the traces of a day one after the other.

    A run is asked how many records it has; where LangSmith said otherwise when it was asked again, or listed
    records of other projects, the summary knows. How many are held it is not asked.
    """

    def __init__(self, summary: Summary) -> None:
        self._asked_again = {short.run_id: short for short in summary.short_feedback}
        self._records = self._said = 0
        self._lacking: list[ShortFeedback] = []

    def add(self, trace: TraceFile, runs: Sequence[RunIdentity]) -> None:
        """One trace; `runs` are its own. Raises `msgspec.MsgspecError` for what is no record."""
        held = count_records(trace.feedback)
        self._records += held.total()
        for run in runs:
            if not run.feedback:
                continue
            known = self._asked_again.get(run.id) or ShortFeedback(run.id, run.feedback, 0)
            found = msgspec.structs.replace(known, held=held[run.id])
            self._said += found.expected
            if found.lacking:
                self._lacking.append(found)

    def finish(self) -> FeedbackFound:
        """What was found."""
        return FeedbackFound(self._records, self._said, tuple(self._lacking))
