"""Runs both servers on loopback, in threads of this process, and says how clients reach them.

Everything the servers remember is below one directory, so a sandbox that is stopped and started again
there has the same keys, ids, runs and files; only the ports may differ.
"""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.control import Control
from lse_dagster.sandbox.drive import create_drive_app, drive_environment
from lse_dagster.sandbox.environment import write_env_file
from lse_dagster.sandbox.langsmith import LANGSMITH_LIMITS, create_langsmith_app, langsmith_environment
from lse_dagster.sandbox.wire import TransportProtocol

_HOST = "127.0.0.1"
_STOP_SECONDS = 2


class Sandbox:
    """A running pair of servers: where they are, what clients need, and their control planes."""

    def __init__(self, directory: Path, *, langsmith_url: str, drive_url: str) -> None:
        self.directory = directory
        self.langsmith_url = langsmith_url
        self.drive_url = drive_url
        self.env: dict[str, str] = {
            **langsmith_environment(directory, langsmith_url),
            **drive_environment(directory, drive_url),
        }
        """Every variable that the project and the public clients read."""
        self.env_file = write_env_file(directory / "sandbox.env", self.env)
        self.langsmith = ControlClient(langsmith_url)
        self.drive = ControlClient(drive_url)

    def clear(self) -> None:
        """Make both servers well-behaved again; what they store stays."""
        self.langsmith.clear()
        self.drive.clear()


@contextlib.contextmanager
def running_sandbox(directory: Path, *, langsmith_port: int = 0, drive_port: int = 0) -> Iterator[Sandbox]:
    """Both servers, ready to be used, until the block ends. Port 0 takes any free one."""
    directory.mkdir(parents=True, exist_ok=True)
    langsmith_control, drive_control = Control(limits=LANGSMITH_LIMITS), Control()
    langsmith_app = langsmith_control.wrap(create_langsmith_app(directory, langsmith_control))
    drive_app = drive_control.wrap(create_drive_app(directory, drive_control))
    with (
        _serving(langsmith_app, langsmith_port, name="sandbox-langsmith") as langsmith_url,
        _serving(drive_app, drive_port, name="sandbox-drive") as drive_url,
    ):
        sandbox = Sandbox(directory, langsmith_url=langsmith_url, drive_url=drive_url)
        try:
            yield sandbox
        finally:
            sandbox.langsmith.close()
            sandbox.drive.close()


def serve(directory: Path, *, langsmith_port: int = 0, drive_port: int = 0) -> None:
    """Run in the foreground until SIGINT or SIGTERM; one line of JSON on stdout says when and where."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with running_sandbox(directory, langsmith_port=langsmith_port, drive_port=drive_port) as sandbox:
            ready = {
                "langsmith": sandbox.langsmith_url,
                "drive": sandbox.drive_url,
                "env_file": str(sandbox.env_file),
            }
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
            stop.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _serving(app: ASGIApp, port: int, *, name: str) -> Iterator[str]:
    # Bound before the server starts: the URL is known, and no other process can take the port in between.
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((_HOST, port))
    server = _Server(
        uvicorn.Config(
            app,
            http=TransportProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            date_header=False,  # `Control` writes it: a test may set the clock
            timeout_graceful_shutdown=_STOP_SECONDS,
            timeout_keep_alive=60,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name=name, daemon=True)
    thread.start()
    server.ready.wait()
    if not server.started:
        thread.join()
        raise RuntimeError(f"{name} did not start")
    try:
        yield f"http://{_HOST}:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """Says when it is ready, so that nobody has to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets)
        finally:
            self.ready.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().call_soon(self.ready.set)
