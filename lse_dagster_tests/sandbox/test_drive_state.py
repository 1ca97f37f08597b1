"""What the Drive server stores outlives it, however it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import requests
from dotenv import dotenv_values

from lse_dagster.sandbox.server import running_sandbox
from lse_dagster_tests.sandbox.drive_clients import CHUNK, DriveClients, service_account

_CHECKOUT = Path(__file__).parents[2]
DATA = bytes(range(256)) * 4096


def test_a_restarted_server_has_the_same_keys_ids_files_and_sessions(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as first:
        clients = DriveClients(first, service_account(first))
        file = clients.upload(clients.archive_folder, DATA, name="day.zip", appProperties={"k": "v"})
        session = clients.start_session(parents=[clients.archive_folder])
        requests.put(
            session, data=DATA[:CHUNK], headers={"Content-Range": f"bytes 0-{CHUNK - 1}/*"}, timeout=10
        )

    with running_sandbox(tmp_path) as second:
        again = DriveClients(second, service_account(second))
        moved = session.replace(first.drive_url, second.drive_url)
        status = requests.put(moved, headers={"Content-Range": "bytes */*"}, timeout=60)

        assert again.archive_folder == clients.archive_folder
        assert second.env["SANDBOX_DRIVE_TOKEN"] == first.env["SANDBOX_DRIVE_TOKEN"]
        assert again.get(file["id"])["appProperties"] == {"k": "v"}
        assert again.content(file["id"]) == DATA
        assert status.headers["Range"] == f"bytes=0-{CHUNK - 1}"
        token = json.loads((tmp_path / "oauth-token.json").read_text())
        assert token["token_uri"] == f"{second.drive_url}/token"


def test_a_killed_server_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from lse_dagster.sandbox.server import serve; serve(pathlib.Path(sys.argv[1]))"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=_CHECKOUT
    )
    assert server.stdout is not None
    try:
        url = json.loads(server.stdout.readline())["drive"]
        env = dotenv_values(tmp_path / "sandbox.env")
        folder = str(env["GOOGLE_DRIVE_FOLDER_URL"]).rpartition("/")[2]
        http = requests.Session()
        http.headers["Authorization"] = f"Bearer {env['SANDBOX_DRIVE_TOKEN']}"
        start = f"{url}/upload/drive/v3/files?uploadType=resumable&supportsAllDrives=true"
        done, open_ = (http.post(start, json={"parents": [folder]}).headers["Location"] for _ in range(2))
        file = http.put(done, data=DATA).json()
        http.put(open_, data=DATA[:CHUNK], headers={"Content-Range": f"bytes 0-{CHUNK - 1}/{len(DATA)}"})
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        server.stdout.close()

    with running_sandbox(tmp_path) as second:
        rest = requests.put(
            open_.replace(url, second.drive_url),
            data=DATA[CHUNK:],
            headers={"Content-Range": f"bytes {CHUNK}-{len(DATA) - 1}/{len(DATA)}"},
            timeout=60,
        )
        clients = DriveClients(second, service_account(second))
        assert clients.content(file["id"]) == DATA
        assert clients.content(rest.json()["id"]) == DATA


def test_contents_that_nothing_refers_to_are_removed_at_the_start(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        clients = DriveClients(sandbox, service_account(sandbox))
        kept = clients.upload(clients.archive_folder, DATA, name="kept")
        deleted = clients.upload(clients.archive_folder, DATA, name="deleted")
        clients.files.delete(fileId=deleted["id"], supportsAllDrives=True).execute()
    contents = tmp_path / "drive" / "contents"
    (contents / "left-over").write_bytes(b"x")

    with running_sandbox(tmp_path):
        assert [path.name for path in contents.iterdir()] == [kept["headRevisionId"]]
