"""nginx as Drive's place: it takes and gives the bytes, and answers the few questions about one known file.

No Python handler stands between: an upload's body goes through nginx into a temporary file, a download comes
from disk by sendfile. The answers are constants in its configuration, so nothing can be tested with it.
"""

import hashlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT_ID = "1RootFolderOfTheBenchmark"
FILE_ID = "1FileOfTheBenchmark"
NAME = "day.zip"
EMPTY_FOLDER, FULL_FOLDER = "empty", "full"
_IDS = {EMPTY_FOLDER: "1EmptyFolderOfTheBenchmark", FULL_FOLDER: "1FullFolderOfTheBenchmark"}
_FOLDER_TYPE = "application/vnd.google-apps.folder"
_TIME = "2025-08-29T00:00:00.000Z"

_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/json;
  map $arg_q $listed {{
    default '{{"files":[]}}';
    "~mimeType\\+%3D.*name\\+%3D\\+%27{empty}%27" '{{"files":[{empty_folder}]}}';
    "~mimeType\\+%3D.*name\\+%3D\\+%27{full}%27" '{{"files":[{full_folder}]}}';
    "~{full_id}.*mimeType\\+%21%3D" '{{"files":[{file}]}}';
  }}
  map $http_content_range $is_last {{
    default 1;
    "~-{last}/" 1;
    "~^bytes \\d+-(?<last>\\d+)/" 0;
  }}
  server {{
    listen 127.0.0.1:{port};
    location = /token {{
      return 200 '{{"access_token":"benchmark","expires_in":3600,"token_type":"Bearer"}}';
    }}
    location = /drive/v3/files/{root_id} {{ return 200 '{root}'; }}
    location = /drive/v3/files/generateIds {{ return 200 '{{"ids":["{file_id}"]}}'; }}
    location = /drive/v3/files/{file_id} {{
      if ($arg_alt = media) {{ rewrite ^ /content/{content} last; }}
      return 200 '{file}';
    }}
    location = /drive/v3/files {{ return 200 $listed; }}
    location /content/ {{ internal; alias {content_folder}/; }}
    location /upload/drive/v3/files {{
      add_header Location http://127.0.0.1:{port}/session?upload_id=benchmark always;
      return 200 '{{}}';
    }}
    location = /session {{
      client_body_in_file_only on;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_method GET;
      proxy_redirect off;
      proxy_pass http://unix:{folder}/answers.sock;
    }}
  }}
  server {{
    listen unix:{folder}/answers.sock;
    location / {{
      if ($is_last) {{ return 200 '{file}'; }}
      add_header Range bytes=0-$last always;
      return 308 http://127.0.0.1:{port}/session?upload_id=benchmark;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class DriveServer:
    """Where the running server is and what it holds."""

    url: str
    content: Path
    size: int
    bodies: Path

    def remove_bodies(self) -> None:
        """Remove what was sent: while nginx removed it, it would answer nobody."""
        for path in self.bodies.iterdir():
            path.unlink()

    @property
    def session_url(self) -> str:
        """Where content is sent to."""
        return f"{self.url}/session?upload_id=benchmark"

    @property
    def media_url(self) -> str:
        """Where content comes from."""
        return f"{self.url}/drive/v3/files/{FILE_ID}?alt=media"


@contextmanager
def running_nginx(content: Path, folder: Path) -> Iterator[DriveServer]:
    """A server that holds this file, ended with the block. Raises `RuntimeError` without nginx."""
    program = shutil.which(
        "nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin:/usr/bin:/usr/local/bin"
    )
    if program is None:
        raise RuntimeError("nginx is not installed: `apt install nginx-light`, or `brew install nginx`")
    port = _free_port()
    folder.mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(_configuration(content, folder, port))
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_it_listens(port, process, folder)
            yield DriveServer(f"http://127.0.0.1:{port}", content, content.stat().st_size, folder / "body")
        finally:
            process.terminate()


def _configuration(content: Path, folder: Path, port: int) -> str:
    size = content.stat().st_size
    folders = {
        name: json.dumps({"id": folder_id, "name": name, "createdTime": _TIME})
        for name, folder_id in _IDS.items()
    }
    root = {"id": ROOT_ID, "mimeType": _FOLDER_TYPE, "trashed": False, "webViewLink": "http://localhost/"}
    return _CONFIGURATION.format(
        folder=folder,
        port=port,
        empty=EMPTY_FOLDER,
        full=FULL_FOLDER,
        full_id=_IDS[FULL_FOLDER],
        empty_folder=folders[EMPTY_FOLDER],
        full_folder=folders[FULL_FOLDER],
        file=json.dumps(_described(content, size)),
        root=json.dumps(root),
        root_id=ROOT_ID,
        file_id=FILE_ID,
        last=size - 1,
        content=content.name,
        content_folder=content.parent,
    )


def _described(content: Path, size: int) -> dict[str, str]:
    with content.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    with content.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    return {
        "id": FILE_ID,
        "name": NAME,
        "size": str(size),
        "md5Checksum": md5,
        "sha256Checksum": sha256,
        "headRevisionId": "revision-1",
        "createdTime": _TIME,
        "modifiedTime": _TIME,
        "webViewLink": "http://localhost/",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_listens(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"nginx did not start: {(folder / 'error.log').read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("nginx does not answer")
