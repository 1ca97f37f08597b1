"""An archived day, its runs counted from its files, compared with what LangSmith counts now.

For a day that may be silent, which is one that was restored or never counted, LangSmith only adds to what its
summary says: without an answer the day is compared with the summary alone.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.summary import Counts
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.queries import count_runs
from lse_dagster.langsmith.scope import started_in
from lse_dagster.langsmith.transport import Transport
from lse_dagster.run.times import DayInterval
from lse_dagster.steps.examination.finding import Finding
from lse_dagster.steps.examination.verdict import Verdict, compare_counts, compare_uncounted

_PATIENCE_IF_SILENT = 30.0


class Connect(Protocol):
    """Opens a connection to LangSmith."""

    def __call__(self, *, patience_seconds: float) -> Transport:
        """One that gives up a request after so many seconds of waiting. Raises `MissingApiKey`."""


@dataclass(frozen=True)
class CountsNow:
    """What LangSmith counts now for an archived day; None for what it could not be asked."""

    folder: DayFolder
    runs_now: int | None
    roots_now: int | None

    def runs(self, held: Counts) -> Finding:
        """Whether the day's files hold as many runs."""
        summary = self.folder.summary
        claimed = summary.counts.runs_started_in_day
        return _compare("runs", held.runs_started_in_day, claimed, summary.langsmith_total, self.runs_now)

    def root_runs(self, held: Counts) -> Finding:
        """Whether they hold as many root runs. Where these alone differ no run is missing: it warns."""
        summary = self.folder.summary
        claimed, recorded = summary.counts.root_runs, summary.langsmith_root_total
        found = _compare("root runs", held.root_runs, claimed, recorded, self.roots_now)
        if found.verdict.passed or found.verdict.unverified or not self.runs(held).verdict.passed:
            return found
        counted = recorded if self.roots_now is None else self.roots_now
        why = (
            f"{held.root_runs:,} runs say that they are roots, and LangSmith counts {counted:,}. No run is "
            "missing: of all runs there are as many as it counts."
        )
        return replace(found, verdict=Verdict(False, why, only_warns=True))


def count_now(connect: Connect, folder: DayFolder, *, patience: float, may_be_silent: bool) -> CountsNow:
    """Ask LangSmith for both counts, for so many seconds of `patience`.

    Raises what `connect` and `Transport.post` do, unless `may_be_silent`.

    `/runs/stats` allows one request in ten seconds. While it counts as many runs as when the day was fetched,
    the root runs are taken to be as many too, and not asked for again.
    """
    summary = folder.summary
    if not summary.project_id:
        return CountsNow(folder, None, None)
    scope = started_in(summary.project_id, DayInterval.of(folder.date))
    try:
        seconds = min(_PATIENCE_IF_SILENT, patience) if may_be_silent else patience
        with connect(patience_seconds=seconds) as transport:
            runs = count_runs(transport, scope)
            unchanged = runs == summary.langsmith_total
            roots = (
                summary.langsmith_root_total if unchanged else count_runs(transport, scope, roots_only=True)
            )
    except ArchiveError:
        if not may_be_silent:
            raise
        return CountsNow(folder, None, None)
    return CountsNow(folder, runs, roots)


def _compare(noun: str, held: int, claimed: int, recorded: int | None, now: int | None) -> Finding:
    numbers: dict[str, int | str] = {"archived": held}
    if recorded is not None:
        numbers["langsmith_when_fetched"] = recorded
    if now is not None:
        numbers |= {"langsmith_now": now, "missing": max(0, now - held)}
    if recorded is None:
        verdict = compare_uncounted(noun, held, now=now)
    else:
        verdict = compare_counts(noun, held, when_fetched=recorded, now=now)
    if claimed != held:
        numbers["in_summary"] = claimed
        verdict = replace(verdict, why=f"{verdict.why} The summary says {claimed:,}, and is not believed.")
    return Finding(verdict, numbers)
