"""One connection to Drive: the generated client for metadata, plain requests for media; its pace.

Knows addresses, threads and timeouts; what to ask is said elsewhere. The metadata client is
google-api-python-client over its static discovery document, sent by the session that sends everything: its
httplib2 has certificates, proxies and redirects of its own. Its media transport is not used: it cannot resume
after a dropped connection and checks nothing.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

import googleapiclient.discovery
import httplib2
from googleapiclient.discovery_cache import get_static_doc

from lse_dagster.drive.folder_url import FolderAddress
from lse_dagster.drive.known_ids import KnownIds
from lse_dagster.drive.sign_in.account import Account
from lse_dagster.drive.this_machine import ThisMachine
from lse_dagster.errors import OnRetry, without_a_word
from lse_dagster.net.backoff import Backoff
from lse_dagster.net.limiter import RateLimiter
from lse_dagster.net.server_time import ServerTime
from lse_dagster.net.session import Session

if TYPE_CHECKING:
    from googleapiclient._apis.drive.v3.resources import DriveResource

_UPLOAD_PATH = "upload/drive/v3/files"


class Service:
    """What all operations share. Each thread has connections of its own."""

    def __init__(
        self,
        account: Account,
        *,
        folder: FolderAddress,
        endpoint: str | None,
        backoff: Backoff,
        timeout: float,
        creations: RateLimiter,
        memory: Path | None = None,
        machine: ThisMachine | None = None,
        on_retry: OnRetry = without_a_word,
    ) -> None:
        google = _google_client(endpoint)
        self.account = account
        self.backoff = backoff
        self.timeout = timeout
        self.on_retry = on_retry
        self.creations = creations
        self.making_folders = threading.Lock()
        """Held while a folder is looked for and made: threads of one archive must not make twins."""
        self.machine = machine
        """Who we are for those who read the folders' descriptions; None: nobody asks."""
        self.time = ServerTime()
        """What time it is for Drive, by its answers so far."""
        self.known = KnownIds(memory)
        """What was made or changed lately: lists can lag behind."""
        self._root, self._base = google.root, google.base
        self._resource_keys = f"{folder.id}/{folder.resource_key}" if folder.resource_key else None
        self.files = google.files
        """The calls about files; each makes a request that `Operation.call` carries out."""
        self.revisions = google.revisions
        """The calls about the contents that a file had before."""
        self.about = google.about
        """The call about the account."""
        self.drives = google.drives
        """The calls about shared drives."""
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._all: list[Session] = []

    @property
    def root_url(self) -> str:
        """Which server this is."""
        return self._root

    def upload_url(self, file_id: str | None, **query: str) -> str:
        """Where a resumable upload begins: for a new file, or for new content of an old one."""
        name = f"/{quote(file_id, safe='')}" if file_id is not None else ""
        asked = urlencode({"uploadType": "resumable", "supportsAllDrives": "true", **query})
        return f"{self._root}{_UPLOAD_PATH}{name}?{asked}"

    def media_url(self, file_id: str) -> str:
        """Where the content of a file is."""
        return f"{self._base}files/{quote(file_id, safe='')}?alt=media&supportsAllDrives=true"

    def headers(self) -> dict[str, str]:
        """Secrets for Drive alone: the access token, and the folder's resource key if it has one."""
        headers = self.account.headers()
        if self._resource_keys is not None:
            headers["X-Goog-Drive-Resource-Keys"] = self._resource_keys
        return headers

    def wait_to_create(self) -> None:
        """Before a new file or folder: as long as its pace asks for."""
        if wait := self.creations.reserve():
            self.backoff.sleep(wait)

    def now(self) -> datetime:
        """Drive's time, or this machine's as long as no answer has said it."""
        return self.time.now(datetime.now(UTC))

    def http(self) -> httplib2.Http:
        """This thread's connection, as Google's client wants it."""
        return cast(httplib2.Http, _GoogleHttp(self.session(), self.timeout, self.time))

    def session(self) -> Session:
        """This thread's connection."""
        session: Session | None = getattr(self._mine, "session", None)
        if session is None:
            session = self._mine.session = Session()
            with self._lock:
                self._all.append(session)
        return session

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            connections, self._all = self._all, []
        for connection in connections:
            connection.close()
        self._mine = threading.local()
        self.account.close()


@dataclass(frozen=True)
class _GoogleClient:
    """What makes the metadata calls: `Operation` sends each, over its thread's own connection."""

    root: str
    base: str
    files: "DriveResource.FilesResource"
    revisions: "DriveResource.RevisionsResource"
    about: "DriveResource.AboutResource"
    drives: "DriveResource.DrivesResource"


@cache
def _google_client(endpoint: str | None) -> _GoogleClient:
    """Of a server, once for the process: reading the discovery document costs more than a request."""
    document = json.loads(get_static_doc("drive", "v3") or "{}")  # type: ignore[no-untyped-call]
    if endpoint is not None:
        # `client_options.api_endpoint` would move the metadata calls only.
        document["rootUrl"] = endpoint.rstrip("/") + "/"
        document["baseUrl"] = document["rootUrl"] + document["servicePath"]
    # `build` fetches its own document; this one is missing in the stubs.
    build: Any = googleapiclient.discovery.build_from_document  # type: ignore[attr-defined]
    drive: DriveResource = build(document, http=_GoogleHttp(Session(), 0.0, ServerTime()))
    return _GoogleClient(
        document["rootUrl"],
        document["baseUrl"],
        drive.files(),
        drive.revisions(),
        drive.about(),
        drive.drives(),
    )


class _GoogleHttp:
    """What Google's client asks of httplib2, done by a session."""

    def __init__(self, session: Session, timeout: float, time: ServerTime) -> None:
        self._session = session
        self._timeout = timeout
        self._time = time

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """One request, and its answer as httplib2 gives it. Raises `requests.RequestException`."""
        answer = self._session.request(method, uri, data=body, headers=headers, timeout=self._timeout)
        if answer.ok:  # others may come from a proxy, which has a clock of its own
            self._time.note(answer.headers)
        return httplib2.Response({**answer.headers, "status": str(answer.status_code)}), answer.content

    def close(self) -> None:
        """Nothing: the session is closed by whoever made it."""
