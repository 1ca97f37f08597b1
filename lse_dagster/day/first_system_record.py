"""What the first system kept beside a run, as it stands in the `first_system` of a trace file.

`{"file", "metadata"}` of the present form of a run; of one that it superseded the `trace` too.
"""

from typing import Final

import msgspec

from lse_dagster.day.raw_json import RawDecoder


class _Record(msgspec.Struct):
    file: msgspec.Raw
    metadata: msgspec.Raw


_RECORD: Final = RawDecoder(_Record)


def record_of_present_form(record: bytes | msgspec.Raw) -> bytes:
    """The record of the same file before its run was superseded. Raises `msgspec.MsgspecError`."""
    return msgspec.json.encode(_RECORD.decode(record))
