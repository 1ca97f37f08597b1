"""Attachment files in a day: names that never collide, hashes, the zip, and never at the cost of one."""

import re
import string
import unicodedata
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.day.errors import BrokenDay, OverwriteRefused
from lse_dagster.day.file_table import FileTable
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY, is_trace_file_name, trace_file_name
from lse_dagster.day.overwrite.policy import HoldsMore
from lse_dagster.day.run_names import attachment_file_name, is_attachment_file_name, is_day_file_name
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary, MissingAttachment, decode_summary, encode_summary
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.run.attachments import WHOLE_FIELD, Kind
from lse_dagster.steps.examination.completeness import examine_traces
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.day.test_names import HOSTILE
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.runs import at, new_id, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content, publish
from lse_dagster_tests.worlds.zips import differences_of, extract_zip

RUN = root(at("10:00:00"))
ONE, TWO = RUN.raw(), root(at("11:00:00")).raw()
NOTE = attachment_file_name(RUN.id, "attachment", "note.txt")
INPUTS = attachment_file_name(RUN.id, "inputs", WHOLE_FIELD)

kinds = st.sampled_from(get_args(Kind))
# Short alphabets make names that are nearly the same; the whole of Unicode makes all others.
tricky = st.text("aAbB._-/%~Z0é\u0301ßK", max_size=6)
texts = st.one_of(tricky, st.text(st.characters(codec=None), max_size=40), st.text("xX.", min_size=140))
files = st.tuples(texts, kinds, texts)


@pytest.fixture
def store(tmp_path: Path) -> DayStore:
    return DayStore(tmp_path / "data")


@pytest.fixture
def day(store: DayStore) -> DayFolder:
    return store.publish(stage_with(store, [ONE], {NOTE: b"hello", INPUTS: b'{"q": 1}'}), "superset").day


@pytest.mark.parametrize(
    ("kind", "name", "file"),
    [
        ("attachment", "note.txt", "r1.attachment.note.txt"),
        ("attachment", "höhe.png", "r1.attachment.höhe.png"),
        ("attachment", "../../etc/passwd", "r1.attachment.%2E.%2F..%2Fetc%2Fpasswd"),
        ("attachment", "", "r1.attachment.%"),
        ("inputs", WHOLE_FIELD, "r1.inputs.json"),
        ("outputs", WHOLE_FIELD, "r1.outputs.json"),
        ("outputs", "part", "r1.outputs.part.json"),
        ("field", "events", "r1.field.events"),
    ],
)
def test_a_file_is_named_by_its_run_and_what_it_is(kind: Kind, name: str, file: str) -> None:
    assert attachment_file_name("r1", kind, name) == file


def test_a_name_that_some_file_system_could_mistake_carries_a_hash_and_keeps_its_suffix() -> None:
    upper, lower = (attachment_file_name("r1", "attachment", name) for name in ("Scan.PNG", "scan.png"))

    assert lower == "r1.attachment.scan.png"
    assert upper.startswith("r1.attachment.Scan%~")
    assert upper.endswith(".PNG")


def test_a_name_of_300_characters_is_cut_and_keeps_its_suffix() -> None:
    file = attachment_file_name(new_id(), "attachment", "é" * 300 + ".pdf")

    assert len(file.encode()) <= 255
    assert file.endswith(".pdf")
    assert is_attachment_file_name(file)


@given(files)
def test_a_file_name_is_one_flat_visible_name_that_is_safe_everywhere(file: tuple[str, Kind, str]) -> None:
    name = attachment_file_name(*file)

    assert len(name.encode()) <= 255
    assert not set(name) & set('/\\:*?"<>|\x00\n\t')
    assert not name.startswith((".", "-", " "))
    assert not name.endswith((".", " "))
    assert name != SUMMARY
    assert is_attachment_file_name(name)
    assert not is_trace_file_name(name)
    assert unicodedata.is_normalized("NFC", name)  # readers of a zip made elsewhere rest on it


@given(files, files)
def test_two_files_never_share_a_name_even_where_case_and_spelling_do_not_count(
    one: tuple[str, Kind, str], other: tuple[str, Kind, str]
) -> None:
    names = {unicodedata.normalize("NFD", attachment_file_name(*file)).casefold() for file in (one, other)}

    assert len(names) == len({one, other})


@given(texts, files)
def test_no_trace_file_is_taken_for_an_attachment(trace_id: str, file: tuple[str, Kind, str]) -> None:
    like_an_attachment = attachment_file_name(*file)
    for name in (
        trace_file_name(trace_id, at("00:00:00")),
        trace_file_name(like_an_attachment, at("00:00:00")),
    ):
        assert not is_attachment_file_name(name)
        assert is_day_file_name(name)


def test_an_attachment_may_be_called_like_a_trace_file() -> None:
    name = attachment_file_name("r1", "attachment", trace_file_name(new_id(), at("10:00:00")))

    assert is_attachment_file_name(name)
    assert not is_trace_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        SUMMARY,
        "note.txt",
        "r1.attachment.",
        "r1.attachment.a/b",
        "r1.attachment.a\\b",
        "../r1.attachment.a",
        ".r1.attachment.a",
        "r1.attachment.a.",
        "r1.attachment.a\n",
        "r1.inputs.txt",
        "r1.attachment." + "a" * 250,
    ],
)
def test_what_is_no_file_of_a_day_is_told_apart(name: str) -> None:
    assert not is_day_file_name(name)


@given(st.text(string.printable, max_size=30))
def test_no_text_with_a_folder_in_it_is_a_file_of_a_day(text: str) -> None:
    assert not is_day_file_name(f"r1.attachment.a/{text}")


@given(st.sampled_from(HOSTILE), st.sampled_from(get_args(Kind)))
def test_no_other_name_of_a_run_or_a_file_is_taken_from_a_zip(part: str, kind: Kind) -> None:
    suffix = ".json" if kind in {"inputs", "outputs"} else ""
    harmless = {"%", "a.b"}  # what an empty name becomes

    assert part in harmless or not is_day_file_name(f"{part}.{kind}.a{suffix}")
    assert part in harmless or not is_day_file_name(f"r1.{kind}.{part}{suffix}")


@given(
    st.text("aAé\u0301%0FE2~._- \x1b\n\u202e", max_size=9),
    st.sampled_from((*get_args(Kind), "ATTACHMENT", "x")),
    st.one_of(texts, st.text("aA.%~0", max_size=9), st.from_regex("[aA]{1,3}%~[0-9a-f]{16}", fullmatch=True)),
    st.sampled_from(["", ".json", ".", " ", "\n"]),
)
def test_what_is_taken_back_is_what_is_written(run: str, kind: str, name: str, suffix: str) -> None:
    file = f"{run}.{kind}.{name}{suffix}"
    if not is_attachment_file_name(file):
        return

    run_id, field = unquote(run), unquote(name)
    written = {
        attachment_file_name(one, of, two).partition("%~")[0]
        for one in (run_id, "" if run == "%" else run_id)
        for of in get_args(Kind)
        for two in (field, f"{field}{suffix}", WHOLE_FIELD, "" if name == "%" else field)
    }
    assert file.partition("%~")[0] in written


def test_a_hash_that_cannot_be_is_no_name_of_a_file() -> None:
    name = attachment_file_name("r1", "attachment", "Scan.PNG")

    assert is_attachment_file_name(name)
    assert not is_attachment_file_name(re.sub("~.{4}", "~0000", name))
    assert not is_attachment_file_name(name.replace("Scan", "scan"))
    assert not is_attachment_file_name("r1.attachment.Scan.PNG")
    assert not is_attachment_file_name("r1.inputs.ROOT.json")
    assert not is_attachment_file_name(name.replace("attachment.Scan", "field.ROOT"))


def test_only_trace_files_are_read_as_traces(day: DayFolder) -> None:
    assert [trace.trace_id for trace in day.traces()] == [RUN.id]
    assert day.run_ids() == {RUN.id}
    assert examine_traces(day).is_whole
    assert list(day.summary.attachment_names()) == sorted([NOTE, INPUTS])


def test_the_hash_of_a_day_covers_its_attachments(store: DayStore, day: DayFolder) -> None:
    other = stage_with(store, [ONE], {NOTE: b"hullo", INPUTS: b'{"q": 1}'})

    assert other.day.summary.sha256 != day.summary.sha256
    other.staging.discard()


def test_an_attachment_that_was_changed_is_found(day: DayFolder) -> None:
    (day.path / NOTE).write_bytes(b"HELLO")

    with pytest.raises(BrokenDay, match=r"note\.txt differs"):
        day.verify_files()


def test_what_could_not_be_had_is_in_the_summary_and_nothing_is_said_otherwise(store: DayStore) -> None:
    lost = MissingAttachment(RUN.id, "attachment", "a/b", "404 Not Found: NoSuchKey")

    complete = store.publish(stage_with(store, [ONE], {}), "superset").day
    without = complete.summary_path.read_text()
    incomplete = store.publish(stage_with(store, [ONE], {}, [lost]), "superset").day

    assert "missing_attachments" not in without
    assert complete.summary.missing_attachments == []
    assert store.load(PROJECT, DAY).summary.missing_attachments == [lost]
    assert incomplete.summary.sha256 == complete.summary.sha256


def test_a_summary_may_not_list_a_file_that_is_neither_trace_nor_attachment(day: DayFolder) -> None:
    summary = day.summary
    entry = summary.files[NOTE]
    for name in ("../escape", "notes.txt", SUMMARY):
        files = FileTable([*summary.files.items(), (name, entry)])
        raw = encode_summary(msgspec.structs.replace(summary, files=files))
        with pytest.raises(InvalidSummary, match="it lists"):
            decode_summary([raw], project=PROJECT, day=DAY, origin="here")


def test_a_day_with_attachments_comes_back_from_its_zip_byte_for_byte(day: DayFolder, tmp_path: Path) -> None:
    zipped = make_zip(ZipStore(tmp_path / "archives"), day, "superset").zip
    out = tmp_path / "out"
    out.mkdir()

    extracted = extract_zip(zipped.path, out, project=PROJECT, day=DAY)

    assert differences_of(zipped.path, day) == []
    assert content(out) == content(day.path)
    assert extracted.summary == zipped.summary == day.summary
    assert zipped.run_ids() == {RUN.id}


def test_the_default_refuses_a_day_that_would_lose_attachments_and_names_one(
    store: DayStore, day: DayFolder
) -> None:
    # Its inputs lie in a file of their own: the run loses them with it.
    with pytest.raises(HoldsMore, match="holds 1 runs and 2 attachments that the new one lacks") as caught:
        publish(store, [ONE, TWO])

    assert RUN.id in caught.value.why
    assert "overwrite: always" in caught.value.next_step
    assert store.load(PROJECT, DAY) == day


def test_runs_and_attachments_that_would_be_lost_are_told_together(store: DayStore, day: DayFolder) -> None:
    with pytest.raises(OverwriteRefused, match="1 runs and 2 attachments that the new one lacks"):
        publish(store, [TWO])


def test_a_day_with_more_attachments_replaces_one_with_fewer(store: DayStore) -> None:
    publish(store, [ONE])

    published = store.publish(stage_with(store, [ONE], {NOTE: b"hello"}), "superset")

    assert published.replaced is not None
    assert not published.replaced.difference.withdraws_anything


def test_always_gives_attachments_up(store: DayStore, day: DayFolder) -> None:
    published = publish(store, [ONE], "always")

    assert published.replaced is not None
    assert published.replaced.given_up
    assert published.replaced.difference.withdrawn_attachments == 2
    assert NOTE not in content(published.day.path)


def test_a_zip_with_attachments_is_not_replaced_by_a_day_without(
    day: DayFolder, store: DayStore, tmp_path: Path
) -> None:
    zips = ZipStore(tmp_path / "archives")
    fuller = make_zip(zips, day, "superset").zip.path.read_bytes()
    emptier = publish(DayStore(tmp_path / "later"), [ONE]).day

    with pytest.raises(HoldsMore, match="2 attachments"):
        make_zip(zips, emptier, "superset")

    assert zips.zip_path(PROJECT, DAY).read_bytes() == fuller
    make_zip(zips, emptier, "always")


@pytest.mark.parametrize(
    ("kind", "name", "inline"),
    [
        ("inputs", WHOLE_FIELD, {"inputs": {"q": 1}}),
        ("inputs", "messages", {"inputs": {"messages": []}}),
        ("outputs", WHOLE_FIELD, {"outputs": [1]}),
        ("field", "events", {"events": [{"name": "token"}]}),
        ("field", "a/B", {"a/B": "text"}),
    ],
)
def test_a_field_that_comes_inside_its_run_now_is_not_lost_with_its_file(
    kind: Kind, name: str, inline: dict[str, object], store: DayStore, tmp_path: Path
) -> None:
    zips = ZipStore(tmp_path / "archives")
    file = attachment_file_name(RUN.id, kind, name)
    old = store.publish(stage_with(store, [RUN.raw(inputs=None), TWO], {file: b"{}"}), "superset").day
    make_zip(zips, old, "superset")

    new = store.publish(stage_with(store, [RUN.raw(**inline), TWO], {}), "superset")

    assert new.replaced is not None
    assert not new.replaced.difference.withdraws_anything
    assert list(new.day.summary.attachment_names()) == []
    assert make_zip(zips, new.day, "superset").action == "built"


@pytest.mark.parametrize(
    ("kind", "name", "fields"),
    [
        ("inputs", WHOLE_FIELD, {"inputs": None, "outputs": {"a": 1}}),
        ("inputs", WHOLE_FIELD, {"inputs": {}}),
        ("inputs", WHOLE_FIELD, {"inputs_more": 1, "inputs.json": 1}),
        ("field", "events", {"events": [], "inputs": {"events": 1}}),
        ("field", "events", {"event": 1, "events.more": 1}),
        (
            "attachment",
            "note.txt",
            {"attachment": 1, "attachments": {"note.txt": "https://s3"}, "note.txt": 1},
        ),
    ],
)
def test_a_file_whose_field_the_run_does_not_hold_is_not_given_up(
    kind: Kind, name: str, fields: dict[str, object], store: DayStore
) -> None:
    file = attachment_file_name(RUN.id, kind, name)
    store.publish(stage_with(store, [ONE, TWO], {file: b"{}"}), "superset")
    of_another = root(at("12:00:00")).raw(inputs={"q": 1}, outputs={"a": 1}, events=[1])

    with pytest.raises(OverwriteRefused, match="1 attachments that the new one lacks"):
        store.publish(stage_with(store, [RUN.raw(**fields), TWO, of_another], {}), "superset")
