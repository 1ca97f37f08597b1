"""Attachments and offloaded fields over real HTTP: what is kept, tried again, refreshed, and recorded."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from langsmith import Client, traceable, tracing_context
from langsmith.run_trees import RunTree
from langsmith.schemas import Attachment, Attachments

from lse_dagster.day.attachment import attachment_file_name
from lse_dagster.day.errors import DiskError
from lse_dagster.day.run import InvalidRun
from lse_dagster.langsmith.attachments import AttachmentDownloads, AttachmentsKept, DownloadTraffic
from lse_dagster.langsmith.errors import Cancelled, Unavailable
from lse_dagster.langsmith.fields import V1_SELECT, V2_SELECTS
from lse_dagster.langsmith.presigned import PresignedDownload, presigned_downloads
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.request_log import RequestEntry
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.langsmith.conftest import TracedProject, Waits

NOON = datetime(2025, 8, 29, 12, tzinfo=UTC)
BLOBS = "/_blobs/"
LARGE = bytes(range(256)) * 12_000  # three reads and a bit
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


class Items(msgspec.Struct):
    items: list[msgspec.Raw] = []
    runs: list[msgspec.Raw] = []


class Source:
    """One project's runs with their attachments, as either API generation answers them."""

    def __init__(self, project: TracedProject, client: Client) -> None:
        self.project = project
        self._client = client

    def trace(self, attachments: dict[str, bytes]) -> str:
        """A run with these attachments, sent by the SDK; its id."""
        files: Attachments = {name: ("application/octet-stream", data) for name, data in attachments.items()}
        tree = RunTree(
            name="with files",
            start_time=NOON,
            project_name=self.project.name,
            ls_client=self._client,
            attachments=files,
        )
        tree.end(end_time=NOON)
        tree.post()
        self._client.flush()
        return str(tree.id)

    def attach(self, run_id: str, attachments: dict[str, bytes]) -> None:
        """More of them, with names that the SDK refuses to send."""
        parts = "".join(
            f'--b\r\nContent-Disposition: form-data; name="attachment.{run_id}.{name}"\r\n'
            f"Content-Length: {len(data)}\r\n\r\n{data.decode()}\r\n"
            for name, data in attachments.items()
        )
        answer = self.project.api.session.post(
            f"{self.project.api.url}/runs/multipart",
            data=f"{parts}--b--\r\n".encode(),
            headers={"content-type": "multipart/form-data; boundary=b"},
        )
        assert answer.status_code == 202, answer.text

    def v2(self) -> list[msgspec.Raw]:
        return msgspec.json.decode(self.project.api.v2(selects=V2_SELECTS).content, type=Items).items

    def v1(self) -> list[msgspec.Raw]:
        return msgspec.json.decode(self.project.api.v1(select=V1_SELECT).content, type=Items).runs

    def read(self, run_id: str) -> bytes:
        return self.project.api.get(f"/api/v2/runs/{run_id}", params={"selects": V2_SELECTS}).content


@pytest.fixture
def source(project: TracedProject, langsmith_client: Client) -> Source:
    return Source(project, langsmith_client)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "day"
    made.mkdir()
    return made


@pytest.fixture
def downloads(folder: Path, sandbox: Sandbox, waits: Waits) -> Iterator[Callable[..., AttachmentDownloads]]:
    """Make the downloads of a test; settings can be given by name."""
    made: list[AttachmentDownloads] = []

    def make(to: Path = folder, **settings: object) -> AttachmentDownloads:
        known: dict[str, object] = {"sleep": waits.seconds.append, "jitter": lambda: 1.0, "patience": 20.0}
        made.append(AttachmentDownloads(to, sandbox.langsmith_url, **(known | settings)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.__exit__()


Downloads = Callable[..., AttachmentDownloads]


def fetch(downloads: AttachmentDownloads, *raws: bytes | msgspec.Raw) -> AttachmentsKept:
    for raw in raws:
        downloads.add(raw)
    return downloads.finish()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def blob_requests(control: ControlClient) -> list[RequestEntry]:
    return [entry for entry in control.requests() if entry.path.startswith(BLOBS)]


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


FAULTS: dict[str, Callable[[ControlClient], None]] = {
    "503": lambda control: control.fault(path=BLOBS, status=503, times=3),
    "429 with Retry-After": lambda control: control.fault(
        path=BLOBS, status=429, headers={"Retry-After": "7"}, times=2
    ),
    "408": lambda control: control.fault(path=BLOBS, status=408, times=2),
    "a connection dropped before the answer": lambda control: control.fault(
        path=BLOBS, drop_after=-1, times=2
    ),
    "a file cut off": lambda control: control.fault(path=BLOBS, drop_after=2_000_000, times=2),
    "a file cut off in its first byte": lambda control: control.fault(path=BLOBS, drop_after=0, times=2),
}


@pytest.mark.parametrize("inject", FAULTS.values(), ids=FAULTS.keys())
def test_a_passing_fault_costs_no_byte(
    inject: Callable[[ControlClient], None],
    source: Source,
    downloads: Downloads,
    folder: Path,
    langsmith_sandbox: ControlClient,
) -> None:
    run_id = source.trace({"large": LARGE})
    (raw,) = source.v2()
    inject(langsmith_sandbox)

    kept = fetch(downloads(), raw)

    assert contents(folder) == {f"{run_id}.attachment.large": LARGE}
    assert kept.files[f"{run_id}.attachment.large"].sha256 == hashlib.sha256(LARGE).hexdigest()
    assert kept.traffic.retries == kept.traffic.requests - 1 >= 2
    assert langsmith_sandbox.faults() == []


def test_retry_after_is_waited_for_exactly(
    source: Source, downloads: Downloads, waits: Waits, langsmith_sandbox: ControlClient
) -> None:
    source.trace({"note": b"hello"})
    raws = source.v2()
    langsmith_sandbox.fault(path=BLOBS, status=503, headers={"Retry-After": "17"})

    fetch(downloads(), *raws)

    assert waits.seconds == [17.0]


def test_an_expired_url_is_refreshed_once(
    source: Source, downloads: Downloads, folder: Path, langsmith_sandbox: ControlClient
) -> None:
    run_id = source.trace({"note": b"hello"})
    langsmith_sandbox.settings(presign_seconds=-10)
    (expired,) = source.v2()
    langsmith_sandbox.settings(presign_seconds=3600)

    kept = fetch(downloads(refresh=source.read), expired)

    assert contents(folder) == {f"{run_id}.attachment.note": b"hello"}
    assert (kept.missing, kept.traffic.requests, kept.traffic.retries) == ([], 2, 1)


def test_a_url_that_is_refused_twice_is_recorded_in_the_servers_words(
    source: Source, downloads: Downloads, folder: Path, langsmith_sandbox: ControlClient
) -> None:
    run_id = source.trace({"a/b": b"hello", "good": b"kept"})
    raws = source.v2()
    langsmith_sandbox.fault(
        path="/a/b$",
        status=404,
        body="<Error><Code>NoSuchKey</Code><RequestId>1</RequestId></Error>",
        times=9,
    )

    kept = fetch(downloads(refresh=source.read), *raws)

    ((lost),) = kept.missing
    assert (lost.run_id, lost.kind, lost.name) == (run_id, "attachment", "a/b")
    assert lost.why == "404 Not Found: NoSuchKey"
    assert contents(folder) == {f"{run_id}.attachment.good": b"kept"}
    assert kept.traffic.requests == 3


def test_without_a_way_to_refresh_an_expired_url_is_recorded(
    source: Source, downloads: Downloads, langsmith_sandbox: ControlClient
) -> None:
    source.trace({"note": b"hello"})
    langsmith_sandbox.settings(presign_seconds=-10)

    kept = fetch(downloads(), *source.v2())

    assert [lost.why for lost in kept.missing] == ['403 Forbidden: {"detail":"Request has expired"}']


@pytest.mark.parametrize("answer", ["gone", "another", "nonsense", "error"])
def test_a_refresh_that_gives_no_url_is_recorded_and_fails_nothing(
    answer: str, source: Source, downloads: Downloads, langsmith_sandbox: ControlClient
) -> None:
    source.trace({"note": b"hello"})
    langsmith_sandbox.settings(presign_seconds=-10)

    def refresh(run_id: str) -> bytes | None:
        if answer == "error":
            raise Unavailable("Reading a run", "LangSmith is away.", "Wait.")
        return {"gone": None, "another": b'{"id": "other", "attachments": {}}', "nonsense": b"<html>"}[answer]

    kept = fetch(downloads(refresh=refresh), *source.v2())

    (lost,) = kept.missing
    assert lost.why.startswith("403 Forbidden")
    assert "URL" in lost.why


def test_a_store_that_stays_down_is_given_up_after_the_patience_and_then_asked_once_a_file(
    source: Source, downloads: Downloads, waits: Waits, folder: Path, langsmith_sandbox: ControlClient
) -> None:
    source.trace({f"file {number}": b"hello" for number in range(5)})
    raws = source.v2()
    langsmith_sandbox.fault(path=BLOBS, status=503, body="Slow Down", times=1000)

    kept = fetch(downloads(workers=1, patience=10.0), *raws)

    assert [lost.why for lost in kept.missing] == ["503 Service Unavailable: Slow Down"] * 5
    assert sum(waits.seconds) <= 10.0
    assert kept.traffic.requests == 1 + len(waits.seconds) + 4
    assert contents(folder) == {}


def test_what_is_recorded_never_holds_the_url(
    source: Source, downloads: Downloads, langsmith_sandbox: ControlClient
) -> None:
    source.trace({"echo": b"1", "closed": b"2"})
    (raw,) = source.v2()
    urls = {wanted.name: wanted.url or "" for wanted in presigned_downloads(raw, "")}
    echo = urls["echo"]
    signature = echo.rpartition("=")[2]
    langsmith_sandbox.fault(path="/echo$", status=403, body=f"No {echo} ({echo.split('?')[1]}) {signature}")
    langsmith_sandbox.fault(path="/closed$", drop_after=-1, times=100)

    kept = fetch(downloads(), raw)

    assert len(kept.missing) == 2
    for lost in kept.missing:
        assert signature not in lost.why
        assert "http" not in lost.why.lower().replace("httpconnection", "")
        assert "_blobs" not in lost.why
    assert "signature" not in repr(presigned_downloads(raw, ""))


def test_a_host_that_cannot_be_reached_is_recorded(downloads: Downloads) -> None:
    run = msgspec.json.encode(
        {"id": "r1", "attachments": {"a": "http://127.0.0.1:9/a?sig=secret", "b": "nope:"}}
    )

    kept = fetch(downloads(), run)

    assert {lost.name: lost.why for lost in kept.missing}["a"] == "ConnectionError while talking to 127.0.0.1"
    assert len(kept.missing) == 2


def test_a_disk_that_fails_fails_the_day(source: Source, downloads: Downloads, tmp_path: Path) -> None:
    source.trace({"note": b"hello"})
    broken = downloads(to=tmp_path / "no such folder")

    with pytest.raises(DiskError, match="Keeping the attachment"):
        fetch(broken, *source.v2())
    with pytest.raises(DiskError):
        fetch(broken, msgspec.json.encode({"id": "r1", "attachments": {"another": "http://127.0.0.1:9/"}}))


def test_who_adds_faster_than_files_arrive_waits_and_nothing_is_lost(
    source: Source, downloads: Downloads, folder: Path
) -> None:
    run_id = source.trace({f"file {number}": b"%d" % number for number in range(60)})

    kept = fetch(downloads(workers=1), *source.v2())

    assert len(kept.files) == 60
    assert contents(folder)[f"{run_id}.attachment.file 59"] == b"59"


def test_cancelling_frees_who_waits_and_leaves_nobody_writing(
    source: Source, downloads: Downloads, langsmith_sandbox: ControlClient
) -> None:
    source.trace({f"file {number}": b"hello" for number in range(60)})
    raws = source.v2()
    langsmith_sandbox.fault(path=BLOBS, status=503, times=1000)
    waiting = threading.Event()
    released = threading.Event()

    def sleep(_: float) -> None:
        waiting.set()
        released.wait(10)

    under_way = downloads(workers=1, sleep=sleep)
    errors: list[BaseException] = []

    def add() -> None:
        try:
            under_way.add(raws[0])
        except Cancelled as error:
            errors.append(error)

    adding = threading.Thread(target=add)
    adding.start()
    assert waiting.wait(10)

    under_way.cancel()
    released.set()
    adding.join(10)

    assert not adding.is_alive()
    assert [type(error) for error in errors] == [Cancelled]
    with pytest.raises(Cancelled):
        under_way.finish()


def test_a_refresh_that_was_cancelled_is_not_taken_for_the_end(
    source: Source, downloads: Downloads, langsmith_sandbox: ControlClient
) -> None:
    source.trace({"note": b"hello"})
    langsmith_sandbox.settings(presign_seconds=-10)

    def refresh(_: str) -> bytes:
        raise Cancelled

    with pytest.raises(Cancelled):
        fetch(downloads(refresh=refresh), *source.v2())


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


@pytest.mark.parametrize(
    "raw", [b"<html>", b"[]", b'{"id": "r", "s3_urls": {"\x91": {}}}', b'{"id": "\x91"}']
)
def test_bytes_that_are_no_run_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRun):
        presigned_downloads(raw, "")


@pytest.mark.parametrize("value", ['{"a": null}', '{"a": {}}', '{"a": 1}', '["a"]', '"a"'])
def test_a_file_that_is_named_without_a_url_is_recorded(value: str, downloads: Downloads) -> None:
    kept = fetch(downloads(), f'{{"id": "r1", "attachments": {value}}}'.encode())

    assert [lost.why for lost in kept.missing] == ["LangSmith names it but gives no URL"]
    assert kept.traffic.requests == 0
