"""What counts as losing a run: `RunForm.lacks` says what an older form of it held and a later one does not.

A run is patched, and LangSmith gives up fields before it gives up runs. So forms are compared by what their
content fields hold, by meaning across both API generations; that a field holds other content now is a change,
no loss. A run that is not there at all is lost as a whole; `offer` keeps both.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
import xxhash

from lse_dagster.day.run_names import attachment_file_name, name_before_kept
from lse_dagster.run.attachments import NamedFiles
from lse_dagster.run.identity import decode_run, status_of
from lse_dagster.run.raw_json import RawDecoder, is_nothing

CONTENT_FIELDS: Final = ("inputs", "outputs", "error", "events", "extra", "tags", "manifest")
"""What a run holds beside its identity. v1 calls the manifest `serialized`; v2 gives what v1 has in
`extra.metadata` as `metadata` too."""

_OTHER_NAMES: Final = {"manifest": ("serialized",), "extra": ("metadata",)}
_NULL: Final = msgspec.Raw(b"null")
_NO_CONTENT: Final = bytes(8)


class _Run(NamedFiles, kw_only=True):
    id: str
    status: str | None = None
    end_time: str | None = None
    inputs: msgspec.Raw = _NULL
    outputs: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    events: msgspec.Raw = _NULL
    extra: msgspec.Raw = _NULL
    metadata: msgspec.Raw = _NULL
    tags: msgspec.Raw = _NULL
    manifest: msgspec.Raw = _NULL
    serialized: msgspec.Raw = _NULL


_DECODER: Final = RawDecoder(_Run, raws=NamedFiles.__struct_fields__)
_FIELDS: Final = RawDecoder(dict[str, msgspec.Raw])


class RunForm(NamedTuple):
    """What one form of a run holds."""

    id: str
    held: frozenset[str]
    """Those of `CONTENT_FIELDS` that hold something, in the run or in a file of their own."""
    ended: bool
    digest: bytes
    """Of the run's bytes without signed addresses, which LangSmith makes anew for each answer."""
    content: bytes
    """Of each of `CONTENT_FIELDS` a digest of what it holds, wherever that lies; zeros for nothing."""
    attachments: tuple[str, ...]
    """The names of the attachments that it names."""

    def lacks(self, older: "RunForm") -> frozenset[str]:
        """What an older form held and this one does not: content fields, and `end` if it is pending again."""
        gone = older.held - self.held
        return gone | {"end"} if older.ended and not self.ended else gone

    def says_more_than(self, other: "RunForm") -> bool:
        """Whether a content field holds something here, and something else or nothing there."""
        fields = range(0, len(self.content), len(_NO_CONTENT))
        pairs = ((self.content[at : at + 8], other.content[at : at + 8]) for at in fields)
        return any(mine not in (_NO_CONTENT, theirs) for mine, theirs in pairs)


def read_form(
    raw: bytes | msgspec.Raw, fields_in_files: Callable[[str], Mapping[str, Iterable[str]]]
) -> RunForm:
    """What a run holds; by its id it is asked which fields lie in files of their own, and for their hashes.

    Raises `InvalidRun` for what is no run.
    """
    run = decode_run(_DECODER, raw)
    files = fields_in_files(run.id)
    held = frozenset(field for field in CONTENT_FIELDS if field in files or _is_held(run, field))
    return RunForm(
        run.id,
        held,
        status_of(run.status, run.end_time) != "pending",
        xxhash.xxh3_128_digest(run.without_addresses(bytes(raw))),
        _content(run, files),
        tuple(run.attachment_names()),
    )


def unsigned(raw: bytes) -> bytes:
    """The bytes of a run without its signed addresses. Raises `InvalidRun`."""
    return decode_run(_DECODER, raw).without_addresses(raw)


def _is_held(run: _Run, field: str) -> bool:
    return any(not is_nothing(value) for value in _values(run, field))


def _values(run: _Run, field: str) -> Iterator[msgspec.Raw]:
    return (getattr(run, name) for name in (field, *_OTHER_NAMES.get(field, ())))


def _content(run: _Run, files: Mapping[str, Iterable[str]]) -> bytes:
    return b"".join(_content_of(run, field, sorted(files.get(field, ()))) for field in CONTENT_FIELDS)


def _content_of(run: _Run, field: str, files: list[str]) -> bytes:
    values = [value for value in _values(run, field) if not is_nothing(value)]
    if not values and not files:
        return _NO_CONTENT
    digest = xxhash.xxh3_64(" ".join(files).encode())
    for value in values:
        digest.update(value)
    return digest.digest()


def field_of_file(name: str) -> str | None:
    """The field that a file of a run holds, one of `CONTENT_FIELDS` or another; None for an attachment.

    LangSmith may give a part of a field a file of its own: `inputs.messages`, `events.0`.
    """
    parts = name_before_kept(name).split(".")
    kind = parts[1]
    if kind == "attachment":
        return None
    field = parts[2] if kind == "field" else kind
    return next((main for main, others in _OTHER_NAMES.items() if field in others), field)


def is_held_inline(raw: msgspec.Raw, run_id: str, file: str) -> bool:
    """Whether a run is this one, and holds the field of a file of it. Raises `InvalidRun`."""
    fields = decode_run(_FIELDS, raw)
    return fields.get("id") == msgspec.Raw(msgspec.json.encode(run_id)) and any(
        f"{file}.".startswith(f"{attachment_file_name(run_id, 'field', name)}.") and not is_nothing(value)
        for name, value in fields.items()
    )
