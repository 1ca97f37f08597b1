"""What a run names but does not hold: its attachments, and fields that LangSmith keeps in its object store.

Each has a presigned URL, which is a secret as long as it works: it is never logged, recorded or shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from lse_dagster.run.identity import decode_run
from lse_dagster.run.raw_json import RawDecoder, decode_any, is_nothing

Kind = Literal["attachment", "inputs", "outputs", "field"]
"""`field` is any other part of a run that LangSmith keeps outside it, such as long events."""


WHOLE_FIELD = "ROOT"
"""LangSmith's name for the inputs or outputs as a whole."""


_ATTACHMENT = "attachment."


@dataclass(frozen=True)
class PresignedDownload:
    """One file to fetch. `url` is None when LangSmith names the file without saying where it is."""

    run_id: str
    kind: Kind
    name: str
    url: str | None = field(repr=False)


class NamedFiles(msgspec.Struct):
    """The fields of a run that name files: `{name: URL}` (v2), `{name: {"presigned_url": URL, ...}}` (v1)."""

    attachments: msgspec.Raw = msgspec.Raw(b"null")
    s3_urls: msgspec.Raw = msgspec.Raw(b"null")
    inputs_s3_urls: msgspec.Raw = msgspec.Raw(b"null")
    outputs_s3_urls: msgspec.Raw = msgspec.Raw(b"null")

    def _fields(self) -> Iterator[msgspec.Raw]:
        named = (self.attachments, self.s3_urls, self.inputs_s3_urls, self.outputs_s3_urls)
        return (urls for urls in named if not is_nothing(urls))

    @property
    def is_whole(self) -> bool:
        """Whether the run holds everything itself, as nearly all do."""
        return not any(True for _ in self._fields())

    def attachment_names(self) -> Iterator[str]:
        """The names of its attachments."""
        if self.is_whole:
            return
        yield from (name for name, _ in _urls(self.attachments))
        for key, _ in _urls(self.s3_urls):
            if key.startswith(_ATTACHMENT):
                yield key.removeprefix(_ATTACHMENT)

    def without_addresses(self, raw: bytes) -> bytes:
        """The bytes of the run without signed addresses, which LangSmith makes anew for each answer."""
        for named in self._fields():
            raw = raw.replace(bytes(named), _without_urls(named), 1)
        return raw


class _Head(NamedFiles, kw_only=True):
    id: str


_HEAD = RawDecoder(_Head)
_FIELDS = RawDecoder(dict[str, msgspec.Raw])


def presigned_downloads(raw: bytes | msgspec.Raw, endpoint: str) -> list[PresignedDownload]:
    """Everything that is to be fetched for a run, in the words of either API generation.

    `endpoint` is the configured one, with its `/api/v1` if it has that: v1 may give URLs without a host.
    Raises `InvalidRun` for what is no run.
    """
    head = decode_run(_HEAD, raw)
    if head.is_whole:
        return []
    named = list(_named(head, decode_run(_FIELDS, raw)))
    return [
        PresignedDownload(head.id, kind, name, None if url is None else _absolute(url, endpoint))
        for kind, name, url in named
    ]


def _named(head: _Head, fields: dict[str, msgspec.Raw]) -> Iterator[tuple[Kind, str, str | None]]:
    for name, url in _urls(head.attachments):
        yield "attachment", name, url
    for key, url in _urls(head.s3_urls):
        if key.startswith(_ATTACHMENT):
            yield "attachment", key.removeprefix(_ATTACHMENT), url
        elif is_nothing(fields.get(key)):
            yield "field", key, url
    # A field that LangSmith put back into the run needs no second copy.
    if is_nothing(fields.get("inputs")):
        yield from (("inputs", name, url) for name, url in _urls(head.inputs_s3_urls))
    if is_nothing(fields.get("outputs")):
        yield from (("outputs", name, url) for name, url in _urls(head.outputs_s3_urls))


def _without_urls(raw: msgspec.Raw) -> bytes:
    try:
        found = decode_any(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return bytes(raw)
    if not isinstance(found, dict):
        return bytes(raw)
    for name, value in found.items():
        if isinstance(value, str):
            found[name] = ""
        elif isinstance(value, dict):
            value.pop("presigned_url", None)
    return msgspec.json.encode(found)


def _urls(raw: msgspec.Raw) -> Iterator[tuple[str, str | None]]:
    """Each name with its URL; what is neither form has none."""
    try:
        named = decode_any(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        named = True
    if not isinstance(named, dict):
        # Something is there that nobody understands: better a record of it than silence.
        named = {WHOLE_FIELD: None} if named else {}
    for name, value in named.items():
        url = value.get("presigned_url") if isinstance(value, dict) else value
        yield name, url if isinstance(url, str) and url else None


def _absolute(url: str, endpoint: str) -> str:
    """As the SDK joins them (langsmith 0.15.0, `_construct_url`): `api/...` is meant from the host's root."""
    if url.startswith(("http://", "https://")):
        return url
    base = endpoint.strip().rstrip("/")
    path = url.lstrip("/")
    if path.startswith("api/"):
        for suffix in ("/api/v1", "/api"):
            if base.endswith(suffix):
                base = base.removesuffix(suffix)
                break
    return f"{base}/{path}"
