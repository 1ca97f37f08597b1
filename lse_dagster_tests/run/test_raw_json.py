"""Documents that msgspec refuses and other readers take: read, and kept to the byte."""

import json
import re
from math import inf, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.run.raw_json import RawDecoder

PIECES = [
    r"\ud83d",
    r"\ude00",
    r"\ud83d\ude00",
    "x",
    r"\\",
    r"\\ud83d",
    r"\"",
    r"\n",
    r"\uD800",
    "é",
    r"\u0041",
]


class Page(msgspec.Struct):
    items: list[msgspec.Raw]
    more: list[msgspec.Raw] = []
    note: str = ""


class Document(msgspec.Struct):
    id: str
    text: str = ""


texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
documents = st.lists(
    st.builds('{{"id":"{0}","text":"{1}"}}'.format, texts, texts).map(str.encode), max_size=5
)


@given(items=documents, more=documents, note=texts)
def test_every_document_comes_out_as_the_bytes_that_came_in(
    items: list[bytes], more: list[bytes], note: str
) -> None:
    page = b'{"items":[%s],"more":[%s],"note":"%s"}' % (b",".join(items), b" , ".join(more), note.encode())

    found = RawDecoder(Page, raws=("items", "more")).decode(page)

    assert [bytes(raw) for raw in found.items] == items
    assert [bytes(raw) for raw in found.more] == more


@given(text=texts)
def test_a_text_reads_as_python_reads_it_but_for_halves_of_pairs(text: str) -> None:
    read = RawDecoder(Document).decode(b'{"id":"1","text":"%s"}' % text.encode()).text

    assert read == re.sub("[\ud800-\udfff]", lambda half: chr(ord(half[0]) + 0x1000), json.loads(f'"{text}"'))


def test_a_document_nested_two_thousand_deep_is_read() -> None:
    deep = b'{"id":"1","inputs":%s}' % (b"[" * 2_000 + b"]" * 2_000)

    assert RawDecoder(Document).decode(deep).id == "1"
    assert [
        bytes(raw) for raw in RawDecoder(Page, raws=("items",)).decode(b'{"items":[%s]}' % deep).items
    ] == [deep]


@pytest.mark.parametrize("broken", [b"[" * 100_000, b'{"id":', b'{"id":"\\ud83d}', b'{"id":1}', b"\\ud83d"])
def test_what_is_no_document_is_refused(broken: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        RawDecoder(Document).decode(broken)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([nan, inf]),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=4), children, max_size=3)
    ),
    max_leaves=12,
)


@given(
    items=st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=5),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_a_page_with_what_is_no_json_is_cut_where_its_documents_end(
    items: list[dict[str, object]], indent: int | None, ascii_only: bool
) -> None:
    texts = [json.dumps(item, indent=indent, ensure_ascii=ascii_only).encode() for item in items]
    page = b'{"items": [%s], "note": "a"}' % b" , ".join(texts)

    found = RawDecoder(Page, raws=("items", "more")).split(page)

    assert [bytes(item) for item in found.items] == texts
    assert (found.note, found.more) == ("a", [])


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_page_that_was_cut_off_is_not_split(cut: int) -> None:
    page = b'{"items": [{"a": NaN}, {"b": "]}"}]}'

    with pytest.raises(msgspec.MsgspecError):
        RawDecoder(Page, raws=("items",)).split(page[:-cut])


def test_what_is_beside_the_documents_of_a_page_has_to_be_right() -> None:
    with pytest.raises(msgspec.MsgspecError):
        RawDecoder(Page, raws=("items",)).split(b'{"items": [{"a": NaN}], "note": NaN}')


def test_of_a_document_that_is_none_the_fields_that_can_be_read_are_read() -> None:
    found = RawDecoder(Document).salvage(b'{"x": NaN, "id": "1", "text": [NaN], "y": "\xff"}')

    assert found == Document("1")
