"""Fields that LangSmith kept outside their run once and sends inside it now: with their file nothing is lost.

v1 hands out large inputs and outputs by link, v2 in the run, and servers are upgraded.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from lse_dagster.day.attachment import WHOLE_FIELD, attachment_file_name
from lse_dagster.day.raw_json import RawDecoder, is_nothing
from lse_dagster.day.run import decode_run, read_identity
from lse_dagster.day.trace_file import TraceFile

_FIELDS: Final = RawDecoder(dict[str, msgspec.Raw])
_IN_PARTS: Final = frozenset({"inputs", "outputs"})


def held_inline(names: Iterable[str], traces: Iterable[TraceFile]) -> Iterator[str]:
    """Those of these attachment files whose field a run of the traces holds itself.

    Raises `InvalidRun`, and what the iterable raises.
    """
    by_run: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        by_run[_run_part(name)].append(name)
    for raw in (raw for trace in traces for raw in trace.runs):
        run_id = read_identity(raw).id
        run = _run_part(attachment_file_name(run_id, "inputs", WHOLE_FIELD))
        if wanted := by_run.get(run):
            held = [name for name, value in decode_run(_FIELDS, raw).items() if not is_nothing(value)]
            beginnings = tuple(
                f"{run}.{name}." if name in _IN_PARTS else attachment_file_name(run_id, "field", name) + "."
                for name in held
            )
            yield from (name for name in wanted if f"{name}.".startswith(beginnings))


def _run_part(name: str) -> str:
    return name.partition(".")[0]
