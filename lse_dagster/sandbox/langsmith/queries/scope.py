"""Which runs a request is about: the parameters that queries and stats share, as one SQL condition."""

import uuid
from collections.abc import Sequence

from lse_dagster.sandbox.langsmith.queries.filters import Value, compile_filter
from lse_dagster.sandbox.langsmith.settings import Settings
from lse_dagster.sandbox.langsmith.times import parse_time


class Scope:
    """Conditions on the runs table under the alias `r`, joined by AND."""

    def __init__(self) -> None:
        self._conditions: list[str] = ["r.posted"]
        self._parameters: list[Value] = []

    @property
    def sql(self) -> str:
        """The condition; goes with `parameters`."""
        return " AND ".join(self._conditions)

    @property
    def parameters(self) -> list[Value]:
        """The values of the condition's placeholders, in order."""
        return list(self._parameters)

    def add(self, condition: str, *parameters: Value) -> None:
        """One more condition."""
        self._conditions.append(condition)
        self._parameters += parameters

    def ids(self, column: str, values: Sequence[str] | None) -> None:
        """The column is one of these ids; None is no condition, an empty list matches nothing."""
        if values is None:
            return
        known = [str(uuid.UUID(value)) for value in values]
        self.add(f"r.{column} IN ({', '.join('?' * len(known))})", *known)

    def starts(self, operator: str, time: str | None) -> None:
        """A bound on the start time."""
        if time is not None:
            self.add(f"r.start_us {operator} ?", parse_time(time))

    def flag(self, column: str, wanted: bool | None) -> None:
        """The column is set, or is not set."""
        if wanted is not None:
            self.add(f"r.{column}" if wanted else f"NOT r.{column}")

    def filters(self, own: str | None, trace: str | None, tree: str | None, *, settings: Settings) -> None:
        """`filter` is about the run, `trace_filter` about its root, `tree_filter` about any in its trace."""
        no_trace = settings.ignore_filter or settings.ignore_trace_filter
        in_trace = "r.trace_id IN (SELECT t.trace_id FROM runs t WHERE t.posted AND "
        for text, alias, template, ignore in (
            (own, "r", "{}", settings.ignore_filter),
            (trace, "t", in_trace + "t.is_root AND {})", no_trace),
            (tree, "t", in_trace + "{})", no_trace),
        ):
            if not text:
                continue
            condition = compile_filter(text, alias)
            if not ignore:
                self.add(template.format(condition.text), *condition.parameters)

    def hide(self, run_ids: Sequence[str]) -> None:
        """Leave these runs out."""
        if run_ids:
            self.add(f"r.id NOT IN ({', '.join('?' * len(run_ids))})", *run_ids)
