"""Runs with attachments on the sandbox, and their downloads, for the tests of this room."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from langsmith import Client
from langsmith.run_trees import RunTree
from langsmith.schemas import Attachments

from lse_dagster.langsmith.fields import V1_SELECT, V2_SELECTS
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.request_log import RequestEntry
from lse_dagster.steps.fetch.attachments import AttachmentDownloads, AttachmentsKept

if TYPE_CHECKING:
    from lse_dagster_tests.worlds.langsmith import TracedProject

NOON = datetime(2025, 8, 29, 12, tzinfo=UTC)
BLOBS = "/_blobs/"
LARGE = bytes(range(256)) * 12_000  # three reads and a bit


class Items(msgspec.Struct):
    items: list[msgspec.Raw] = []
    runs: list[msgspec.Raw] = []


class Source:
    """One project's runs with their attachments, as either API generation answers them."""

    def __init__(self, project: "TracedProject", client: Client) -> None:
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


Downloads = Callable[..., AttachmentDownloads]


def fetch(downloads: AttachmentDownloads, *raws: bytes | msgspec.Raw) -> AttachmentsKept:
    for raw in raws:
        downloads.add(raw)
    return downloads.finish()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def blob_requests(control: ControlClient) -> list[RequestEntry]:
    return [entry for entry in control.requests() if entry.path.startswith(BLOBS)]
