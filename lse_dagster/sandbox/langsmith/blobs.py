"""Presigned URLs: files and large fields that are fetched without an API key, for a while."""

import hashlib
import hmac
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from lse_dagster.sandbox.langsmith import times
from lse_dagster.sandbox.langsmith.run import Document
from lse_dagster.sandbox.langsmith.settings import SettingsHolder
from lse_dagster.sandbox.langsmith.store import Store

ATTACHMENT = "attachment"
FIELDS = {"inputs", "outputs"}


class Blob(NamedTuple):
    """What a presigned URL leads to."""

    content: bytes
    mime_type: str


class Presigner:
    """Makes and checks signatures of `/_blobs/<kind>/<run id>/<name>` with the server's own secret."""

    def __init__(self, secret: str, settings: SettingsHolder) -> None:
        self._secret = secret.encode()
        self._settings = settings

    def url(self, base_url: str, kind: str, run_id: str, name: str) -> str:
        """A URL that works without an API key until it expires."""
        expires = self._now() + self._settings.current.presign_seconds
        path = f"/_blobs/{kind}/{run_id}/{quote(name, safe='')}"
        return f"{base_url}{path}?expires={expires}&signature={self._sign(kind, run_id, name, str(expires))}"

    def refusal(self, kind: str, run_id: str, name: str, *, expires: str, signature: str) -> str | None:
        """Why this URL is not good, in the words of an object store; None if it is."""
        if not hmac.compare_digest(self._sign(kind, run_id, name, expires), signature):
            return "SignatureDoesNotMatch"
        if not expires.lstrip("-").isdigit() or int(expires) < self._now():
            return "Request has expired"
        return None

    def _now(self) -> int:
        fixed = self._settings.current.now
        return int(fixed.timestamp()) if fixed else times.now() // 1_000_000

    def _sign(self, *parts: str) -> str:
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def read_blob(store: Store, kind: str, run_id: str, name: str) -> Blob | None:
    """The bytes behind a presigned URL."""
    if kind == ATTACHMENT:
        row = store.row(
            "SELECT content, mime_type FROM attachments WHERE run_id = ? AND name = ?", [run_id, name]
        )
        return Blob(*row) if row else None
    row = store.row("SELECT doc FROM runs WHERE id = ?", [run_id])
    if row is None or name not in FIELDS:
        return None
    field = msgspec.json.decode(row[0], type=Document).get(name)
    return Blob(bytes(field), "application/json") if field is not None else None
