"""The files of a day that are no traces: attachments, and fields that LangSmith keeps outside their run.

Only names and records are here, no network. Every such file lies flat beside the traces, named by its run:
`<run id>.attachment.<name>`, `<run id>.inputs.json`, `<run id>.outputs.json`, `<run id>.field.<name>`.
"""

import re
from typing import Literal, get_args

import msgspec

from lse_dagster.day.names import cut_name, escape_name, hash_mark, is_trace_file_name, may_be_made_by

Kind = Literal["attachment", "inputs", "outputs", "field"]
"""`field` is any other part of a run that LangSmith keeps outside it, such as long events."""

WHOLE_FIELD = "ROOT"
"""LangSmith's name for the inputs or outputs as a whole."""

_LONGEST_RUN = 72
_LONGEST_NAME = 150
_LONGEST_SUFFIX = 16


class MissingAttachment(msgspec.Struct, frozen=True):
    """A file that LangSmith names and that could not be had, and why, in the server's words."""

    run_id: str
    kind: Kind
    name: str
    why: str


def attachment_file_name(run_id: str, kind: Kind, name: str) -> str:
    """The file of one attachment or field. No two of them share a name, on any file system.

    The run's id ends at the first dot. A name that is too long, or that some file system takes for another
    one because it ignores case, carries a hash; its true name is in the run.
    """
    run, part = _run_part(run_id), _name_part(name)
    if kind in {"attachment", "field"}:
        return f"{run}.{kind}.{part}"
    return f"{run}.{kind}.json" if name == WHOLE_FIELD else f"{run}.{kind}.{part}.json"


def is_attachment_file_name(name: str) -> bool:
    """Whether a name is one that `attachment_file_name` can have made: nothing else is taken from a zip."""
    run, _, rest = name.partition(".")
    kind, _, part = rest.partition(".")
    if kind not in get_args(Kind) or not may_be_made_by(_run_part, run):
        return False
    if kind in {"attachment", "field"}:
        return may_be_made_by(_name_part, part)
    if part == "json":
        return True
    field = part.removesuffix(".json")
    return field != part and field != _name_part(WHOLE_FIELD) and may_be_made_by(_name_part, field)


def is_day_file_name(name: str) -> bool:
    """Whether a day may hold a file of this name beside its summary."""
    return is_trace_file_name(name) or is_attachment_file_name(name)


def _run_part(run_id: str) -> str:
    # A dot in the id would let it run into the kind.
    return _told_apart(escape_name(run_id).replace(".", "%2E"), run_id, _LONGEST_RUN)


def _name_part(name: str) -> str:
    return _told_apart(escape_name(name), name, _LONGEST_NAME)


def _told_apart(part: str, text: str, longest: int) -> str:
    """The escaped text, with a hash if it is too long or has capitals; the suffix stays at the end."""
    letters = re.sub("%[0-9A-F]{2}", "", part)
    if len(part.encode()) <= longest and letters == letters.casefold():
        return part
    stem, dot, suffix = part.rpartition(".")
    if not stem or len(suffix.encode()) >= _LONGEST_SUFFIX:
        stem, dot, suffix = part, "", ""
    end = hash_mark(text) + dot + suffix
    return cut_name(stem, longest - len(end.encode())) + end
