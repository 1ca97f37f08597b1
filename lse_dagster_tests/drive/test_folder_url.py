"""Every form of a folder's address leads to the same id; everything else is refused with advice."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.drive.errors import FolderUrlInvalid
from lse_dagster.drive.folder_url import parse_folder_url

ids = st.text(alphabet="abcXYZ019_-", min_size=19, max_size=44)
hosts = st.sampled_from(
    ["https://drive.google.com", "http://127.0.0.1:8123", "drive.google.com", "https://x"]
)
folder_paths = st.sampled_from(
    [
        "/drive/folders/{}",
        "/drive/u/0/folders/{}",
        "/drive/u/12/folders/{}",
        "/folders/{}",
        "/drive/folders/{}/",
    ]
)
queries = st.sampled_from(["", "?usp=sharing", "?usp=drive_link&hl=en", "#top", "?resourcekey=0-abc_DEF"])


@given(folder_id=ids, host=hosts, path=folder_paths, query=queries)
def test_every_folder_url_gives_its_id(folder_id: str, host: str, path: str, query: str) -> None:
    parsed = parse_folder_url(f"  {host}{path.format(folder_id)}{query}\n")

    assert parsed.id == folder_id
    assert parsed.resource_key == ("0-abc_DEF" if "resourcekey" in query else None)


@given(folder_id=ids, host=hosts)
def test_an_open_url_gives_its_id(folder_id: str, host: str) -> None:
    assert parse_folder_url(f"{host}/open?id={folder_id}&usp=sharing").id == folder_id


@given(folder_id=ids)
def test_a_bare_id_is_itself(folder_id: str) -> None:
    assert parse_folder_url(f" {folder_id} ").id == folder_id


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "not set"),
        ("   ", "not set"),
        ("https://docs.google.com/document/d/1abcdefghijklmnopqrstuvwxyz/edit", "file or a document"),
        ("https://drive.google.com/file/d/1abcdefghijklmnopqrstuvwxyz/view", "file or a document"),
        ("https://drive.google.com/drive/my-drive", "no /folders/"),
        ("https://drive.google.com/drive/folders/", "no /folders/"),
        ("https://drive.google.com/open", "not an id"),
        ("https://drive.google.com/drive/folders/a b c d e f g h i j", "not an id"),
        ("http://[broken/drive/folders/1abcdefghijklmnopqrstuvwxyz", "not a URL"),
        ("https://drive.google.com/drive/folders/1abcdefghijklmnopqrstuvwxyz?resourcekey=0-aB…", "not whole"),
        ("short", "no /folders/"),
    ],
)
def test_what_is_no_folder_url_is_refused_with_advice(url: str, why: str) -> None:
    with pytest.raises(FolderUrlInvalid, match=why) as caught:
        parse_folder_url(url)

    assert "GOOGLE_DRIVE_FOLDER_URL" in caught.value.next_step


@given(text=st.text(max_size=80))
def test_any_text_is_an_id_or_a_typed_error(text: str) -> None:
    with contextlib.suppress(FolderUrlInvalid):
        assert parse_folder_url(text).id.isascii()
