"""Answers that LangSmith or a store could give and mostly does not: a typed error, or one lost file."""

import gzip
import json
import zlib
from collections.abc import Callable

import msgspec
import pytest

from lse_dagster.langsmith.errors import InvalidAnswer
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import V2Queries
from lse_dagster.langsmith.scope import started_in
from lse_dagster.langsmith.transport import Transport
from lse_dagster.run.attachments import presigned_downloads
from lse_dagster.run.times import DayInterval
from lse_dagster_tests.langsmith.odd_server import OddServer, Question
from lse_dagster_tests.steps.fetch.planned import DAY
from lse_dagster_tests.worlds.attached_runs import Downloads, fetch
from lse_dagster_tests.worlds.langsmith import Waits

ALL = started_in("p1", DayInterval.of(DAY))
LARGEST = 100_000
NO_URLS = [
    "http://[bad/x",
    "http://h:99999999/x",
    "http://h:port/x",
    "http://h\n/x",
    "http://",
    "http:///x",
    "http://*.x/y",
    f"http://{'a' * 70}.example/x",
    "data:text/plain,abc",
    "ftp://h/x",
    "file:///etc/passwd",
]
NO_LOCATIONS = ["http://[bad/", "http://h\xe9\xff:x/", "file:///etc/passwd", "http://h:99999999/", "http://"]


def a_run(**attachments: str) -> bytes:
    return json.dumps({"id": "r1", "attachments": attachments}).encode()


@pytest.mark.parametrize("url", NO_URLS)
def test_an_attachment_whose_url_is_none_is_recorded_and_fails_nothing(
    url: str, odd: OddServer, downloads: Downloads, waits: Waits
) -> None:
    odd.script = lambda question: question.answer(200, b"good")
    raw = a_run(bad=url, good=f"{odd.url}/good?sig=1")

    kept = fetch(downloads(refresh=lambda _: raw), raw)

    assert [lost.name for lost in kept.missing] == ["bad"]
    assert list(kept.files) == ["r1.attachment.good"]
    assert waits.seconds == []


@pytest.mark.parametrize("location", NO_LOCATIONS)
def test_an_attachment_that_leads_to_no_url_is_recorded_and_fails_nothing(
    location: str, odd: OddServer, downloads: Downloads, waits: Waits
) -> None:
    def script(question: Question) -> None:
        if question.path.startswith("/bad"):
            question.answer(302, headers={"Location": location})
        else:
            question.answer(200, b"good")

    odd.script = script

    kept = fetch(downloads(), a_run(bad=f"{odd.url}/bad?sig=s1gn", good=f"{odd.url}/good?sig=1"))

    (lost,) = kept.missing
    assert lost.name == "bad"
    assert "s1gn" not in lost.why
    assert list(kept.files) == ["r1.attachment.good"]
    assert waits.seconds == []


def test_attachments_of_a_run_with_a_text_cut_in_an_emoji_are_found() -> None:
    raw = rb'{"id": "r1", "inputs": "\ud83d", "attachments": {"a": "https://store/a"}, "x": "\ude00"}'

    assert [(wanted.name, wanted.url) for wanted in presigned_downloads(raw, "")] == [
        ("a", "https://store/a")
    ]


def test_attachments_whose_names_differ_in_half_a_surrogate_are_two(
    odd: OddServer, downloads: Downloads
) -> None:
    odd.script = lambda question: question.answer(404 if "gone" in question.path else 200, b"good")
    names = {r"a\ud83d": "1", r"a\ud83e": "2", r"a\udc00": "gone", "a": "3"}
    links = ",".join(f'"{name}":"{odd.url}/{path}"' for name, path in names.items())

    kept = fetch(downloads(), f'{{"id":"r1","attachments":{{{links}}}}}'.encode())

    assert len(kept.files) == 3
    (lost,) = kept.missing
    assert msgspec.json.encode(lost)


def test_attachments_of_a_run_that_is_no_json_are_found_or_told(odd: OddServer) -> None:
    raw = b'{"id":"r1","inputs":NaN,"attachments":{"a":"https://store/a"},"s3_urls":{"x":NaN}}'

    assert [(wanted.kind, wanted.name, wanted.url) for wanted in presigned_downloads(raw, "")] == [
        ("attachment", "a", "https://store/a"),
        ("field", "ROOT", None),
    ]


MUCH = b" " * (50 * LARGEST)
BOMBS = {
    "gzip": (gzip.compress(MUCH), "gzip"),
    "gzip in many members": (gzip.compress(b" " * LARGEST) * 50, "gzip"),
    "deflate": (zlib.compress(MUCH), "deflate"),
    "gzip in gzip": (gzip.compress(gzip.compress(MUCH)), "gzip, gzip"),
    "nothing of the kind": (MUCH, "identity"),
}
"""Much, mostly in little."""


@pytest.mark.parametrize(("bomb", "encoding"), BOMBS.values(), ids=BOMBS)
def test_a_page_that_decompresses_to_too_much_is_asked_for_again_with_one_run(
    bomb: bytes, encoding: str, odd: OddServer, connect: Callable[..., Transport], waits: Waits
) -> None:
    sizes: list[int] = []

    def script(question: Question) -> None:
        sizes.append(json.loads(question.body)["page_size"])
        if sizes[-1] > 25:
            question.answer(200, bomb, {"Content-Encoding": encoding})
        else:
            question.answer(200, gzip.compress(b'{"items": [{"id": "1"}]}'), {"Content-Encoding": "gzip"})

    odd.script = script
    transport = connect(endpoint=odd.url, largest_answer=LARGEST)

    page = V2Queries(transport).page(ALL, None, PageSize(1000))

    assert len(page.items) == 1
    assert sizes == [100, 1]
    assert waits.seconds == []
    assert transport.counters.bytes < 3 * LARGEST


@pytest.mark.parametrize("status", [200, 400, 503])
def test_what_cannot_be_asked_for_in_halves_is_a_typed_error_after_a_few_times(
    status: int, odd: OddServer, connect: Callable[..., Transport]
) -> None:
    bomb, encoding = BOMBS["gzip"]
    odd.script = lambda question: question.answer(status, bomb, {"Content-Encoding": encoding})

    with pytest.raises(InvalidAnswer, match="larger than 100,000 bytes"):
        connect(endpoint=odd.url, largest_answer=LARGEST).get("/x", bytes, params={})

    assert len(odd.asked) == 5


@pytest.mark.parametrize("size", [0, 1, LARGEST - 1, LARGEST])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_that_is_not_too_large_comes_whole_and_keeps_its_connection(
    size: int, encoding: str, chunked: bool, odd: OddServer, connect: Callable[..., Transport]
) -> None:
    whole = bytes(range(97, 123)) * (size // 26 + 1)
    whole = whole[:size]
    body = {"identity": whole, "gzip": gzip.compress(whole), "deflate": zlib.compress(whole)}[encoding]
    clients: set[tuple[str, int]] = set()

    def script(question: Question) -> None:
        clients.add(question.client)
        if chunked:
            question.raw(f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n".encode())
            question.raw(b"Transfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(body), 1000):
                piece = body[start : start + 1000]
                question.raw(b"%x\r\n%b\r\n" % (len(piece), piece))
            question.raw(b"0\r\n\r\n")
        else:
            question.answer(200, body, {"Content-Encoding": encoding})

    odd.script = script
    transport = connect(endpoint=odd.url, largest_answer=LARGEST)

    for _ in range(2):
        assert transport.get("/x", bytes, params={}) == whole

    assert len(clients) == 1
