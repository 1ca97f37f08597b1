"""A summary is read in pieces: however it was cut and laid out, it says the same or is refused."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.day.file_table import FileEntry, FileTable
from lse_dagster.day.run_names import is_day_file_name
from lse_dagster.day.summary import (
    SCHEMA,
    Counts,
    InvalidSummary,
    Summary,
    Unverified,
    content_sha256,
    decode_summary,
    encode_summary,
)
from lse_dagster_tests.worlds.staged import DAY, PROJECT

TRICKY = '{"files": {"a.attachment.b": {}}}, "files": {'


def entry(name: str, size: int = 1) -> FileEntry:
    return FileEntry(size, hashlib.sha256(name.encode()).hexdigest(), 1)


def summary_of(files: FileTable) -> Summary:
    counts = Counts(1, 0, 0, len(files), 1, 0, 0, 0)
    return Summary(
        schema=SCHEMA,
        project=PROJECT,
        date=DAY.isoformat(),
        project_id=TRICKY,
        api="v2",
        fetched_at="2025-08-30T02:00:00.000000Z",
        counts=counts,
        langsmith_total=None,
        langsmith_root_total=None,
        files=files,
        sha256=content_sha256(files, counts),
        unverified=Unverified("first_system", "why", TRICKY),
    )


def pieces(raw: bytes, size: int) -> Iterator[bytes]:
    return (raw[at : at + size] for at in range(0, len(raw), size))


def read(raw: bytes, size: int = 100) -> Summary:
    return decode_summary(pieces(raw, size), project=PROJECT, day=DAY, origin="here")


def told(files: dict[str, Any], **more: object) -> bytes:
    """A summary with these files as its list, whatever they are."""
    summary = json.loads(encode_summary(summary_of(FileTable())))
    lines = "".join(f"{files[name]['sha256']}  {name}\n" for name in sorted(files))
    lines += json.dumps(summary["counts"], sort_keys=True, separators=(",", ":")) + "\n"
    sha256 = hashlib.sha256(lines.encode()).hexdigest()
    return json.dumps({**summary, **more, "files": files, "sha256": sha256}).encode()


NAMES = st.from_regex(r"[a-z0-9_é ]{1,12}\.attachment\.[A-Za-zß~%=.]{1,12}", fullmatch=True)
FILES = st.dictionaries(NAMES.filter(is_day_file_name), st.integers(0, 2**63), max_size=20)


@given(
    sizes=FILES,
    piece=st.integers(1, 400),
    indent=st.none() | st.integers(0, 3),
    colon=st.sampled_from([":", ": ", " :\n"]),
    order=st.randoms(use_true_random=False),
)
def test_it_says_the_same_in_every_layout_and_cut_anywhere(
    sizes: dict[str, int], piece: int, indent: int | None, colon: str, order: Any
) -> None:
    summary = summary_of(FileTable((name, entry(name, size)) for name, size in sizes.items()))
    told = json.loads(encode_summary(summary))
    names = list(told["files"])
    assert names == sorted(sizes)
    order.shuffle(names)
    told["files"] = {name: told["files"][name] for name in names}
    raw = json.dumps(told, indent=indent, separators=(",", colon)).encode()

    found = read(raw, piece)

    assert found == summary
    assert dict(found.files) == {name: entry(name, size) for name, size in sizes.items()}
    assert found.bytes == sum(sizes.values())


@given(st.sets(NAMES, min_size=1), NAMES, st.integers(-1, 30))
def test_a_file_is_found_wherever_it_is_guessed_to_be(names: set[str], other: str, guess: int) -> None:
    files = FileTable((name, entry(name)) for name in names)

    for position, name in enumerate(sorted(names)):
        assert files.position(name, guess=guess) == position
        assert files.name(position) == name
    assert (files.position(other, guess=guess) >= 0) == (other in names) == (other in files)


GOOD = {"bytes": 1, "sha256": "ab" * 32, "runs": 1}
BROKEN_ENTRIES: list[dict[str, object]] = [
    {},
    {**GOOD, "bytes": -1},
    {**GOOD, "runs": 2**64},
    {**GOOD, "bytes": "1"},
    {**GOOD, "bytes": {"bytes": 1}},
    {**GOOD, "sha256": "AB" * 32},
    {**GOOD, "sha256": "ab" * 31},
    {**GOOD, "sha256": "xy" * 32},
]


@pytest.mark.parametrize("broken", BROKEN_ENTRIES)
def test_an_entry_that_is_none_is_refused(broken: dict[str, object]) -> None:
    files = {"a.attachment.a": GOOD, "b.attachment.b": {"sha256": "", **broken}, "c.attachment.c": GOOD}

    with pytest.raises(InvalidSummary, match=r"not a valid summary|does not match"):
        read(told(files))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"files": {', b'"files": [{'),
        (b'"files": {', b'"files": {}, "files": {'),
        (b'"files": {', b'"files": 1, "other": {'),
        (b'"files": {', b'"more": {"files": {}}, "files": {'),
        (b'"a.attachment.a"', b'"a},{.attachment.a"'),
        (b'"b.attachment.b"', b'"a.attachment.a"'),
    ],
)
def test_a_list_that_is_none_or_not_the_only_one_is_refused(before: bytes, after: bytes) -> None:
    raw = told({"a.attachment.a": GOOD, "b.attachment.b": GOOD})
    assert raw.count(before) == 1
    assert len(read(raw).files) == 2

    with pytest.raises(InvalidSummary):
        read(raw.replace(before, after))


def test_a_text_that_ends_early_is_refused_wherever_it_ends() -> None:
    raw = told({"a.attachment.a": GOOD, "b.attachment.b": GOOD})

    for length in range(len(raw)):
        with pytest.raises(InvalidSummary):
            read(raw[:length])


def test_a_summary_of_the_first_format_hashes_its_files_alone_and_stays_readable() -> None:
    summary = summary_of(FileTable([("a.attachment.a", entry("a"))]))
    first = msgspec.structs.replace(summary, schema="lse.day/1", sha256=summary.files.content_sha256())

    assert read(encode_summary(first)) == first
    with pytest.raises(InvalidSummary, match="does not match"):
        read(encode_summary(msgspec.structs.replace(first, schema=SCHEMA)))


def test_counts_are_part_of_what_is_hashed() -> None:
    told_as_it_is = encode_summary(summary_of(FileTable([("a.attachment.a", entry("a"))])))

    with pytest.raises(InvalidSummary, match="does not match"):
        read(told_as_it_is.replace(b'"feedback": 0', b'"feedback": 7'))
