"""Attachments and offloaded fields over real HTTP: what is kept, and under which names."""

import hashlib
from pathlib import Path

import msgspec
import pytest
from langsmith import Client, traceable, tracing_context
from langsmith.schemas import Attachment

from lse_dagster.day.run_names import attachment_file_name
from lse_dagster.langsmith.fields import V2_SELECTS
from lse_dagster.run.attachments import PresignedDownload, presigned_downloads
from lse_dagster.run.identity import InvalidRun
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.attachments import AttachmentsKept, DownloadTraffic
from lse_dagster_tests.worlds.attached_runs import (
    LARGE,
    NOON,
    Downloads,
    Items,
    Source,
    blob_requests,
    contents,
    fetch,
)

HOSTILE_NAMES = [
    "a/b",
    "_x.json",
    "Note",
    "note",
    "../../etc/passwd",
    "Zürich 🙏.txt",
    "x" * 300,
    "CON",
    "100%",
    "q?a=b&c#d",
]


def test_attachments_of_decorated_functions_are_kept_and_hashed(
    source: Source, downloads: Downloads, folder: Path, langsmith_client: Client
) -> None:
    @traceable(dangerously_allow_filesystem=False)
    def look(picture: Attachment) -> str:
        return "a cat"

    with tracing_context(enabled=True, client=langsmith_client, project_name=source.project.name):
        look(Attachment(mime_type="image/png", data=LARGE))
    langsmith_client.flush()
    listed = source.project.api.v2(
        selects=V2_SELECTS, min_start_time="2025-01-01T00:00:00Z", max_start_time="2100-01-01T00:00:00Z"
    )
    (raw,) = msgspec.json.decode(listed.content, type=Items).items

    kept = fetch(downloads(), raw)

    ((name, entry),) = kept.files.items()
    assert name.endswith(".attachment.picture")
    assert contents(folder) == {name: LARGE}
    assert (entry.bytes, entry.sha256, entry.runs) == (len(LARGE), hashlib.sha256(LARGE).hexdigest(), 0)
    assert kept.missing == []
    assert kept.traffic == DownloadTraffic(bytes=len(LARGE), requests=1, retries=0)


@pytest.mark.parametrize("api", ["v1", "v2"])
def test_both_api_generations_give_the_same_files(
    api: str, source: Source, downloads: Downloads, folder: Path
) -> None:
    files = {name: name.encode() for name in HOSTILE_NAMES} | {"empty": b""}
    run_id = source.trace({"empty": b""})
    source.attach(run_id, files)

    kept = fetch(downloads(), *(source.v1() if api == "v1" else source.v2()))

    expected = {attachment_file_name(run_id, "attachment", name): data for name, data in files.items()}
    assert kept.missing == []
    assert contents(folder) == expected
    assert list(kept.files) == sorted(expected)


def test_inputs_and_outputs_that_v1_keeps_outside_the_run_are_files(
    source: Source, downloads: Downloads, folder: Path, langsmith_sandbox: ControlClient
) -> None:
    run = source.project.root(NOON, inputs={"q": "x" * 100}, outputs={"a": "y" * 100})
    langsmith_sandbox.settings(offload_bytes=50)

    fetch(downloads(), *source.v1())

    assert contents(folder) == {
        f"{run.id}.inputs.json": b'{"q": "%s"}' % (b"x" * 100),
        f"{run.id}.outputs.json": b'{"a": "%s"}' % (b"y" * 100),
    }


def test_a_run_without_files_costs_no_request(
    source: Source, downloads: Downloads, langsmith_sandbox: ControlClient
) -> None:
    source.project.root(NOON, inputs={"attachments": {"no": "https://example.com/not-a-file"}})

    kept = fetch(downloads(), *source.v1(), *source.v2())

    assert kept == AttachmentsKept({}, [], DownloadTraffic(0, 0, 0))
    assert blob_requests(langsmith_sandbox) == []


def test_a_run_that_is_added_twice_is_downloaded_once(
    source: Source, downloads: Downloads, langsmith_sandbox: ControlClient
) -> None:
    source.trace({"note": b"hello"})

    kept = fetch(downloads(), *source.v2(), *source.v2())

    assert len(blob_requests(langsmith_sandbox)) == kept.traffic.requests == 1


def test_no_key_is_sent_to_a_presigned_url_nor_to_where_it_redirects(
    source: Source,
    downloads: Downloads,
    langsmith_sandbox: ControlClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    source.trace({"first": b"1", "second": b"2"})
    (raw,) = source.v2()
    target = {wanted.name: wanted.url or "" for wanted in presigned_downloads(raw, "")}["second"]
    langsmith_sandbox.fault(path="/first$", status=307, headers={"Location": target})

    kept = fetch(downloads(workers=1), raw)

    sent = blob_requests(langsmith_sandbox)
    assert [entry.path.rpartition("/")[2] for entry in sent] == ["first", "second", "second"]
    assert [entry.secret_headers for entry in sent] == [[], [], []]
    assert len(kept.files) == 2
    # The log does see a key where one is sent.
    assert any(entry.secret_headers == ["x-api-key"] for entry in langsmith_sandbox.requests())


def test_a_url_without_a_host_is_joined_with_the_endpoint_as_the_sdk_does() -> None:
    def url(endpoint: str, path: str) -> str | None:
        urls = {"attachment.a": {"presigned_url": path}}
        (wanted,) = presigned_downloads(msgspec.json.encode({"id": "r", "s3_urls": urls}), endpoint)
        return wanted.url

    assert url("https://host", "/public/download?jwt=x") == "https://host/public/download?jwt=x"
    assert url("https://host/api/v1/", "/public/download") == "https://host/api/v1/public/download"
    assert url("https://host/api/v1", "/api/public/x") == "https://host/api/public/x"
    assert url("https://host/api", "api/public/x") == "https://host/api/public/x"
    assert url("https://host/api", "https://store/x") == "https://store/x"


def test_what_v1_keeps_outside_a_run_is_fetched_only_where_the_run_lacks_it() -> None:
    there, other = {"presigned_url": "https://store/1"}, {"presigned_url": "https://store/2", "s3_url": "x"}
    run = {
        "id": "r",
        "inputs": {"q": 1},
        "inputs_s3_urls": {"ROOT": there},
        "outputs": {},
        "outputs_s3_urls": {"ROOT": other},
        "events": [],
        "error": "it broke",
        "s3_urls": {"attachment.a.b": there, "events": other, "error": there},
    }

    assert set(presigned_downloads(msgspec.json.encode(run), "")) == {
        PresignedDownload("r", "outputs", "ROOT", "https://store/2"),
        PresignedDownload("r", "attachment", "a.b", "https://store/1"),
        PresignedDownload("r", "field", "events", "https://store/2"),
    }


@pytest.mark.parametrize("raw", [b"<html>", b"[]", b'{"id": "r", "s3_urls": {"\x91": {}}', b'{"id": "\x91"}'])
def test_bytes_that_are_no_run_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRun):
        presigned_downloads(raw, "")


@pytest.mark.parametrize("value", ['{"a": null}', '{"a": {}}', '{"a": 1}', '["a"]', '"a"'])
def test_a_file_that_is_named_without_a_url_is_recorded(value: str, downloads: Downloads) -> None:
    kept = fetch(downloads(), f'{{"id": "r1", "attachments": {value}}}'.encode())

    assert [lost.why for lost in kept.missing] == ["LangSmith names it but gives no URL"]
    assert kept.traffic.requests == 0
