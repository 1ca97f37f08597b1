"""Runs and feedback on their way in: the four ways the SDK has to send them."""

import uuid
from collections.abc import Iterable

import msgspec
import zstandard

from lse_dagster.sandbox.langsmith.run import Document
from lse_dagster.sandbox.langsmith.store import Store
from lse_dagster.sandbox.langsmith.tracing.multipart import Part, boundary_of, parse_multipart

_FIELDS = {"inputs", "outputs", "events", "extra", "error", "serialized"}


class IngestError(ValueError):
    """The client sent something that is not a run, a patch, an attachment or feedback."""


class Batch(msgspec.Struct):
    """The body of `POST /runs/batch`."""

    post: list[Document] = []
    patch: list[Document] = []


def decompressed(body: bytes, encoding: str | None) -> bytes:
    """The body without its content encoding."""
    if encoding in {None, "", "identity"}:
        return body
    if encoding != "zstd":
        raise IngestError(f"unknown content-encoding {encoding!r}")
    try:
        # The SDK streams: its frames do not say how long their content is.
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    except zstandard.ZstdError as error:
        raise IngestError(f"not zstd: {error}") from error


def ingest_multipart(store: Store, body: bytes, content_type: str) -> None:
    """Every part of a multipart body, or none of them."""
    posts: dict[str, Document] = {}
    patches: dict[str, Document] = {}
    others: list[Part] = []
    for part in parse_multipart(body, boundary_of(content_type)):
        event, _, rest = part.name.partition(".")
        if event in {"attachment", "feedback"}:
            others.append(part)
            continue
        if event not in {"post", "patch"}:
            raise IngestError(f"unknown part {part.name!r}")
        run_id, _, field = rest.partition(".")
        document = (posts if event == "post" else patches).setdefault(_run_id(run_id), {})
        if not field:
            # The body comes first, but its fields may already be here: they are the same run either way.
            document.update(msgspec.json.decode(part.content, type=Document))
        elif field in _FIELDS:
            # Checked as JSON but not taken apart: these bytes are what a query will answer.
            document[field] = msgspec.json.decode(part.content, type=msgspec.Raw)
        else:
            raise IngestError(f"unknown part {part.name!r}")
    with store.transaction:
        _write(store, posts.items(), patches.items())
        for part in others:
            _write_other(store, part)


def ingest_batch(store: Store, body: bytes) -> None:
    """`{"post": [...], "patch": [...]}` with whole runs."""
    batch = msgspec.json.decode(body, type=Batch)
    with store.transaction:
        _write(
            store,
            ((_own_id(document), document) for document in batch.post),
            ((_own_id(document), document) for document in batch.patch),
        )


def ingest_run(store: Store, body: bytes) -> str:
    """One run that starts; its id."""
    document = msgspec.json.decode(body, type=Document)
    run_id = _own_id(document) if "id" in document else str(uuid.uuid4())
    with store.transaction:
        store.post_run(run_id, document)
    return run_id


def ingest_patch(store: Store, run_id: str, body: bytes) -> None:
    """News of one run."""
    document = msgspec.json.decode(body, type=Document)
    with store.transaction:
        store.patch_run(_run_id(run_id), document)


def ingest_feedback(store: Store, body: bytes) -> Document:
    """One feedback record, which gets an id if it has none."""
    document = msgspec.json.decode(body, type=Document)
    if "id" not in document:
        document["id"] = msgspec.Raw(msgspec.json.encode(str(uuid.uuid4())))
    with store.transaction:
        store.put_feedback(_own_id(document), document)
    return document


def _write(
    store: Store, posts: Iterable[tuple[str, Document]], patches: Iterable[tuple[str, Document]]
) -> None:
    for run_id, document in posts:
        store.post_run(run_id, document)
    for run_id, document in patches:
        store.patch_run(run_id, document)


def _write_other(store: Store, part: Part) -> None:
    event, rest = part.name.split(".", 1)
    if event == "feedback":
        store.put_feedback(_run_id(rest), msgspec.json.decode(part.content, type=Document))
        return
    run_id, _, name = rest.partition(".")
    if not name:
        raise IngestError(f"attachment without a name: {part.name!r}")
    store.put_attachment(_run_id(run_id), name, part.content_type, part.content)


def _own_id(document: Document) -> str:
    if "id" not in document:
        raise IngestError("a run needs an id")
    return _run_id(msgspec.json.decode(document["id"], type=str))


def _run_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise IngestError(f"{text!r} is not a UUID") from error
