"""What LangSmith sent once and sends no more, as it stands in the `kept` of a trace file.

`{"kind": "run"|"feedback", "api", "fetched_at", "raw"}`: `raw` is the bytes LangSmith sent, `fetched_at`
(UTC) is when the day was fetched that held
them. `{"kind": "attachment", "run_id", "name", "file"}`: a file beside
the traces that only this entry names.
"""

from typing import Final, Literal

import msgspec

from lse_dagster.run.raw_json import RawDecoder

Api = Literal["v1", "v2"]


class KeptRecord(msgspec.Struct, frozen=True, tag_field="kind"):
    """A run or a feedback record."""

    api: Api
    fetched_at: str
    raw: msgspec.Raw


class KeptRun(KeptRecord, frozen=True, tag="run"):
    """A whole run, or the older form of one that lost something or is pending again."""


class KeptFeedback(KeptRecord, frozen=True, tag="feedback"):
    """A feedback record."""


class KeptAttachment(msgspec.Struct, frozen=True, tag_field="kind", tag="attachment"):
    """A file beside the traces: an attachment, or a field of a kept run that lies in a file of its own."""

    run_id: str
    name: str
    file: str


KeptEntry = KeptRun | KeptFeedback | KeptAttachment

_DECODER: Final = RawDecoder[KeptEntry](KeptEntry, raws=("raw",))  # type: ignore[arg-type]


def read_entry(raw: bytes | msgspec.Raw) -> KeptEntry:
    """One entry. Raises `msgspec.MsgspecError`, `UnicodeDecodeError`."""
    return _DECODER.decode(raw)


def encode_entry(entry: KeptEntry) -> bytes:
    """The bytes of an entry; what it keeps stands in them as it came."""
    return msgspec.json.encode(entry)
