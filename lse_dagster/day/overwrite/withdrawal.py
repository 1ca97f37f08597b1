"""What a day keeps beside what LangSmith sent last: how much of it there is, and what became of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lse_dagster.day.overwrite.loss import read_form
from lse_dagster.day.overwrite.run_files import FilesOfRuns, fields_of_kept_files
from lse_dagster.day.summary import Summary
from lse_dagster.day.trace_file import KeptFeedback, KeptRun, TraceFile, read_entry

_EXAMPLES: Final = 3


@dataclass
class Withdrawal:
    """Takes the traces of a day one after the other."""

    summary: Summary
    whole_runs: int = 0
    """Runs that LangSmith sends no more."""
    older_forms: int = 0
    """Older forms of runs that it sends with less in them."""
    other_forms: int = 0
    """Forms of runs that came later with other content, when LangSmith may have forgotten others."""
    feedback: int = 0
    attachments: int = 0
    later: int = 0
    """Of all these, those that came after LangSmith may have begun to forget the day."""
    fields: Counter[str] = field(default_factory=Counter)
    """Which fields the runs lack now that their older forms hold; `end`: they are pending again."""
    examples: list[str] = field(default_factory=list)
    """Ids of runs."""

    def add(self, trace: TraceFile) -> None:
        """Look at what a trace keeps. Raises `InvalidRun`, `msgspec.MsgspecError`, `UnicodeDecodeError`."""
        if not trace.kept:
            return
        sent = FilesOfRuns(self.summary.files).fields
        kept = fields_of_kept_files(trace, self.summary.files)
        now = {form.id: form for raw in trace.runs for form in [read_form(raw, sent)]}
        for entry in map(read_entry, trace.kept):
            if isinstance(entry, KeptRun):
                form = read_form(entry.raw, kept)
                self._add_run(form.id, None if form.id not in now else now[form.id].lacks(form))
            elif isinstance(entry, KeptFeedback):
                self.feedback += 1
            else:
                self.attachments += 1
                continue
            self.later += entry.fetched_at > self.summary.fetched_at

    def _add_run(self, run_id: str, lacking: frozenset[str] | None) -> None:
        if lacking is None:
            self.whole_runs += 1
        elif lacking:
            self.older_forms += 1
            self.fields.update(lacking)
        else:
            self.other_forms += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(run_id)

    @property
    def numbers(self) -> Mapping[str, int]:
        """What is kept, by kind."""
        return {
            "kept_runs": self.whole_runs + self.older_forms + self.other_forms,
            "kept_feedback": self.feedback,
            "kept_attachments": self.attachments,
        }

    def why(self) -> str:
        """What is kept, in words; empty where nothing is."""
        told = [
            f"{count:,} {noun}"
            for count, noun in (
                (self.whole_runs, "whole runs"),
                (self.older_forms, f"older forms of runs ({self._fields()})"),
                (self.other_forms, "other forms of runs"),
                (self.feedback, "feedback records"),
                (self.attachments, "attachments"),
            )
            if count
        ]
        if not told:
            return ""
        why = f"The day keeps what LangSmith sent once and not with the rest: {', '.join(told)}."
        if self.later:
            why += f" {self.later:,} of them came when LangSmith may have forgotten others."
        if self.examples:
            why += f" For example run {', '.join(self.examples)}."
        return why

    def _fields(self) -> str:
        return ", ".join(f"{name} of {count:,}" for name, count in sorted(self.fields.items()))
