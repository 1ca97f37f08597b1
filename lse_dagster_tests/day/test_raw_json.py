"""Documents that msgspec refuses and other readers take: read, and kept to the byte."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.day.raw_json import RawDecoder

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

    assert read == re.sub("[\ud800-\udfff]", "�", json.loads(f'"{text}"'))


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
