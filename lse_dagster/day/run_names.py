"""The names of the files of single runs: attachments, offloaded fields, runs that stand alone, what is kept.

Escaped and marked as all names are (`names`); nothing else beside the traces is of a day.
"""

import re
from typing import get_args

from lse_dagster.day.names import cut_name, escape_name, hash_mark, is_trace_file_name, may_be_made_by
from lse_dagster.run.attachments import WHOLE_FIELD, Kind

_LONGEST_RUN = 72
_LONGEST_NAME = 150
_UNFILED = ".unfiled.json"
_LONGEST_SUFFIX = 16
_LONGEST_KEPT = 140
_KEPT_DIGITS = 32
_KEPT = re.compile(rf"(?P<run>[^.]+)\.kept\.[0-9a-f]{{{_KEPT_DIGITS}}}\.(?P<rest>.+)", re.DOTALL)
_CUT = re.compile(r"(attachment|field|inputs|outputs)\.%~[0-9a-f]{16}")


def attachment_file_name(run_id: str, kind: Kind, name: str) -> str:
    """The file of one attachment or field. No two of them share a name, on any file system.

    The run's id ends at the first dot. A name that is too long, or that some file system takes for another
    one because it ignores case, carries a hash; its true name is in the run.
    """
    run, part = run_part(run_id), _name_part(name)
    if kind in {"attachment", "field"}:
        return f"{run}.{kind}.{part}"
    return f"{run}.{kind}.json" if name == WHOLE_FIELD else f"{run}.{kind}.{part}.json"


def kept_file_name(name: str, sha256: str) -> str:
    """What a file of a day is called once LangSmith sends it no more. A kept file stays what it is."""
    if is_kept_file_name(name):
        return name
    run, _, rest = name.partition(".")
    if len(rest.encode()) > _LONGEST_KEPT:
        rest = f"{rest.partition('.')[0]}.{hash_mark(rest)}"
    return f"{run}.kept.{sha256[:_KEPT_DIGITS]}.{rest}"


def is_kept_file_name(name: str) -> bool:
    """Whether a file of a day is one that LangSmith sends no more."""
    return name.partition(".")[2].startswith("kept.")


def name_before_kept(name: str) -> str:
    """What a kept file was called before, as far as its name says; another file's name as it is."""
    found = _KEPT.fullmatch(name)
    return f"{found['run']}.{found['rest']}" if found is not None else name


def is_attachment_file_name(name: str) -> bool:
    """Whether a name is one that is made here: nothing else is taken from a zip."""
    if is_kept_file_name(name):
        found = _KEPT.fullmatch(name)
        if found is None or not may_be_made_by(run_part, found["run"]):
            return False
        if _CUT.fullmatch(found["rest"]):
            return True
        return len(found["rest"].encode()) <= _LONGEST_KEPT and (
            _is_sent_file_name(name_before_kept(name)) or is_unfiled_file_name(name_before_kept(name))
        )
    return _is_sent_file_name(name)


def _is_sent_file_name(name: str) -> bool:
    run, _, rest = name.partition(".")
    kind, _, part = rest.partition(".")
    if kind not in get_args(Kind) or not may_be_made_by(run_part, run):
        return False
    if kind in {"attachment", "field"}:
        return may_be_made_by(_name_part, part)
    if part == "json":
        return True
    field = part.removesuffix(".json")
    return field != part and field != _name_part(WHOLE_FIELD) and may_be_made_by(_name_part, field)


def unfiled_file_name(run_id: str) -> str:
    """The file of a run that cannot stand in its trace's file: its bytes as they came, maybe no JSON."""
    return run_part(run_id) + _UNFILED


def is_unfiled_file_name(name: str) -> bool:
    """Whether a name is one that `unfiled_file_name` can have made."""
    run = name.removesuffix(_UNFILED)
    return run != name and "." not in run and may_be_made_by(run_part, run)


def is_day_file_name(name: str) -> bool:
    """Whether a day may hold a file of this name beside its summary."""
    return is_trace_file_name(name) or is_attachment_file_name(name) or is_unfiled_file_name(name)


def run_part(run_id: str) -> str:
    """What the names of all files of a run begin with, up to the first dot."""
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
