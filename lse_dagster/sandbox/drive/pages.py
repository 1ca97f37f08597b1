"""Small pages for people: a link to a folder or a file opens in a browser, without signing in.

Only for a sandbox on loopback. Nothing of a page is taken as HTML but what is written here.
"""

import sqlite3
from html import escape
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from lse_dagster.sandbox.drive.access import File
from lse_dagster.sandbox.drive.call import Drive
from lse_dagster.sandbox.drive.files.download import media_response
from lse_dagster.sandbox.drive.world import FOLDER

_SHOWN = 1000
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .8rem .3rem 0;"
    "border-bottom:1px solid #ddd}.n{text-align:right;font-variant-numeric:tabular-nums}"
    "code{word-break:break-all}"
)
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


class Pages:
    """GET /drive/folders/ID, /file/d/ID/view and /uc?id=ID."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive

    async def folder(self, request: Request) -> Response:
        """What is in a folder."""
        return await run_in_threadpool(self._folder, request.path_params["file_id"])

    async def file(self, request: Request) -> Response:
        """What a file is, with a link to download it."""
        return await run_in_threadpool(self._file, request.path_params["file_id"])

    async def download(self, request: Request) -> Response:
        """The content of a file."""
        wanted = request.headers.get("range")
        return await run_in_threadpool(self._download, request.query_params.get("id", ""), wanted)

    def _folder(self, file_id: str) -> Response:
        with self._drive.store.transaction() as db:
            folder = _find(db, file_id)
            if folder is None or folder.mime_type != FOLDER:
                return _missing()
            rows = db.execute(
                "SELECT * FROM files WHERE parent = ? AND NOT trashed"
                " ORDER BY mime_type != ?, folded_name, seq LIMIT ?",
                (folder.id, FOLDER, _SHOWN + 1),
            )
            files = [File.of(row) for row in rows]
        lines = "".join(_row(file) for file in files[:_SHOWN])
        more = f"<p>Only the first {_SHOWN} are shown.</p>" if len(files) > _SHOWN else ""
        up = f'<p><a href="/drive/folders/{quote(folder.parent)}">Up</a></p>' if folder.parent else ""
        head = "<tr><th>Name</th><th class=n>Bytes</th><th>Modified</th></tr>"
        empty = "" if files else "<p>This folder is empty.</p>"
        return _page(folder.name, f"{up}<table>{head}{lines}</table>{more}{empty}")

    def _file(self, file_id: str) -> Response:
        with self._drive.store.transaction() as db:
            file = _find(db, file_id)
        if file is None or file.revision is None:
            return _missing()
        facts = {
            "Bytes": f"{file.size:,}",
            "Type": file.mime_type,
            "Modified": file.modified_time,
            "SHA-256": file.sha256 or "",
            "In the trash": "yes" if file.trashed else "no",
        }
        lines = "".join(
            f"<tr><th>{name}</th><td><code>{escape(fact)}</code></td></tr>" for name, fact in facts.items()
        )
        links = (
            f'<p><a href="/uc?id={quote(file.id)}&amp;export=download">Download</a>'
            f' · <a href="/drive/folders/{quote(file.parent or "")}">Folder</a></p>'
        )
        return _page(file.name, f"<table>{lines}</table>{links}")

    def _download(self, file_id: str, wanted: str | None) -> Response:
        with self._drive.store.transaction() as db:
            file = _find(db, file_id)
            if file is None or file.revision is None or file.size is None:
                return _missing()
            return media_response(
                self._drive.store, file.revision, file.size, file.mime_type, wanted, save_as=file.name
            )


def _find(db: sqlite3.Connection, file_id: str) -> File | None:
    row = db.execute("SELECT * FROM files WHERE id = ?", (file_id,)).fetchone()
    return None if row is None else File.of(row)


def _row(file: File) -> str:
    folder = file.mime_type == FOLDER
    link = f"/drive/folders/{quote(file.id)}" if folder else f"/file/d/{quote(file.id)}/view"
    size = "" if file.size is None else f"{file.size:,}"
    name = escape(file.name) + ("/" if folder else "")
    return (
        f'<tr><td><a href="{link}">{name}</a></td><td class=n>{size}</td><td>{file.modified_time}</td></tr>'
    )


def _page(title: str, body: str, *, status: int = 200) -> Response:
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)} - Sandbox Drive</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>{body}"
        "<p><small>Sandbox Drive on this machine</small></p>"
    )
    return HTMLResponse(html, status_code=status, headers=_HEADERS)


def _missing() -> Response:
    return _page("Not found", "<p>There is no such file or folder.</p>", status=404)
