import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.day.trace_file import KeptAttachment, KeptFeedback, KeptRun, encode_entry, read_entry

RAWS = (
    b'{"id": "a", "big": 123456789012345678901234567890, "decimal": 0.10}',
    b'{"id": "a", "name": "\\ud83d"}',
    b'{"raw": "\\ud83d", "api": "\\ude00", "fetched_at": "raw"}',
    b'{"id":  "a",\n "spaces" : [ ] }',
)


@pytest.mark.parametrize("raw", RAWS)
@pytest.mark.parametrize("kind", [KeptRun, KeptFeedback])
def test_what_is_kept_stands_in_its_entry_byte_for_byte(
    kind: type[KeptRun] | type[KeptFeedback], raw: bytes
) -> None:
    encoded = encode_entry(kind("v2", "2025-08-30T03:30:00.000000Z", msgspec.Raw(raw)))

    entry = read_entry(encoded)

    assert raw in encoded
    assert isinstance(entry, kind)
    assert (entry.api, entry.fetched_at, bytes(entry.raw)) == ("v2", "2025-08-30T03:30:00.000000Z", raw)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_kept_file_is_named_by_its_entry(name: str, file: str) -> None:
    entry = KeptAttachment("run", name, file)

    assert read_entry(encode_entry(entry)) == entry
