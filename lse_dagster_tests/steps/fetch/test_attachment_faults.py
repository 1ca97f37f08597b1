"""Downloads of attachments that go wrong: what is tried again, refreshed, given up, and recorded."""

import gzip
import hashlib
import socket
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lse_dagster.day.errors import DiskError
from lse_dagster.langsmith.attachment_hosts import AttachmentHosts
from lse_dagster.langsmith.errors import Cancelled, Unavailable
from lse_dagster.run.attachments import presigned_downloads
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.langsmith.odd_server import OddServer
from lse_dagster_tests.worlds.attached_runs import BLOBS, LARGE, Downloads, Source, contents, fetch
from lse_dagster_tests.worlds.langsmith import Waits

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

    assert [lost.why for lost in kept.missing if lost.name == "a"] == [
        "127.0.0.1: connection refused, nothing listens there"
    ]
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
        released.wait(300)

    under_way = downloads(workers=1, sleep=sleep)
    errors: list[BaseException] = []

    def add() -> None:
        try:
            under_way.add(raws[0])
        except Cancelled as error:
            errors.append(error)

    adding = threading.Thread(target=add)
    adding.start()
    assert waiting.wait(300)

    under_way.cancel()
    released.set()
    adding.join(300)

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


PLAIN = b'{"a": 1}\n' * 200
DECODED: dict[str, bytes] = {
    "": PLAIN,
    "identity": PLAIN,
    "aws-chunked": PLAIN,
    "gzip": gzip.compress(PLAIN),
    "GZIP": gzip.compress(PLAIN),
    "x-gzip": gzip.compress(PLAIN),
    "gzip, gzip": gzip.compress(gzip.compress(PLAIN)),
    "aws-chunked,gzip": gzip.compress(PLAIN),
    "deflate": zlib.compress(PLAIN),
}
NOT_UNDERSTOOD = ["zstd", "br", "compress", "xz", "zstd, gzip", "gzip, zstd", "x" * 5000]


@pytest.mark.parametrize("encoding", DECODED)
def test_an_encoding_that_is_understood_is_taken_off(
    encoding: str, downloads: Downloads, odd: OddServer, folder: Path
) -> None:
    headers = {"Content-Encoding": encoding} if encoding else {}
    odd.script = lambda question: question.answer(200, DECODED[encoding], headers)

    kept = fetch(downloads(), run_with_file(odd.url))

    assert kept.missing == []
    assert contents(folder) == {"r1.attachment.file": PLAIN}


@pytest.mark.parametrize("encoding", NOT_UNDERSTOOD)
def test_an_encoding_that_is_not_understood_is_a_missing_file_with_its_name(
    encoding: str, downloads: Downloads, odd: OddServer, folder: Path
) -> None:
    odd.script = lambda question: question.answer(200, b"(\xb5/\xfd packed", {"Content-Encoding": encoding})

    kept = fetch(downloads(refresh=never_asked), run_with_file(odd.url))

    ((lost),) = kept.missing
    assert encoding[:50] in lost.why
    assert len(lost.why) < 400
    assert contents(folder) == {}
    assert len(odd.asked) == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip", ", ".join(["gzip"] * 20)])
def test_a_wrong_encoding_is_given_up_after_a_few_tries(
    encoding: str, downloads: Downloads, odd: OddServer, folder: Path, waits: Waits
) -> None:
    odd.script = lambda question: question.answer(200, PLAIN, {"Content-Encoding": encoding})

    kept = fetch(downloads(patience=300.0), run_with_file(odd.url), run_with_file(odd.url, "r2"))

    assert [lost.why for lost in kept.missing] == ["what 127.0.0.1 sends is not encoded as it says"] * 2
    assert contents(folder) == {}
    assert len(odd.asked) == 6
    assert sum(waits.seconds) < 5


def test_a_host_without_an_address_is_given_up_for_all_its_links_and_told(
    downloads: Downloads, odd: OddServer, waits: Waits, folder: Path
) -> None:
    odd.script = lambda question: question.answer(200, b"here")
    asked: list[str] = []
    told: list[tuple[str, float]] = []

    def look_up(host: str) -> list[str]:
        asked.append(host)
        if host == "127.0.0.1":
            return [host]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    inner = {
        f"file {number}": f"http://minio.internal:9000/{number}?signature=secret" for number in range(40)
    }
    run = msgspec.json.encode({"id": "r1", "attachments": {**inner, "good": f"{odd.url}/good"}})
    made = downloads(
        workers=1,
        patience=300.0,
        hosts=AttachmentHosts.of(odd.url, [".internal"], resolve=look_up),
        refresh=never_asked,
        on_retry=lambda error, seconds: told.append((f"{error.what}: {error.why}", seconds)),
    )

    kept = fetch(made, run)

    assert {lost.why for lost in kept.missing} == {
        "minio.internal: no address is known for the name of the host"
    }
    assert len(kept.missing) == 40
    assert contents(folder) == {"r1.attachment.good": b"here"}
    assert asked.count("minio.internal") == 6
    assert sum(waits.seconds) < 20
    assert told[0][0].startswith("Downloading attachments from minio.internal: no address is known")
    assert [seconds for _, seconds in told] == waits.seconds
    assert "secret" not in str(told)


def test_a_name_that_is_found_at_last_costs_no_file(
    downloads: Downloads, odd: OddServer, folder: Path
) -> None:
    odd.script = lambda question: question.answer(200, b"here")
    answers: list[list[str]] = [[], [], ["127.0.0.1"]]

    def look_up(host: str) -> list[str]:
        if not (found := answers.pop(0)):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return found

    port = odd.url.rpartition(":")[2]
    hosts = AttachmentHosts.of(odd.url, ["minio"], resolve=look_up)

    kept = fetch(downloads(hosts=hosts), run_with_file(f"http://minio:{port}"))

    assert kept.missing == []
    assert contents(folder) == {"r1.attachment.file": b"here"}


def run_with_file(store: str, run_id: str = "r1") -> bytes:
    return msgspec.json.encode({"id": run_id, "attachments": {"file": f"{store}/{run_id}?signature=x"}})


def never_asked(run_id: str) -> bytes:
    raise AssertionError("another URL would not help")
