"""The folder in which the demo lives: a sandbox, its own `.env`, Dagster home, data and archives.

Everything runs in a clean environment, and Dagster lets the `.env` of its working folder override even
that, so what runs on the sandbox can never reach the accounts of the user's shell or `.env`.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lse_dagster.cli.environment import clean_environment
from lse_dagster.cli.playground.occupied import Claim, alone_on
from lse_dagster.cli.running.instance import prepare_home
from lse_dagster.sandbox.conversations import demo_conversations
from lse_dagster.sandbox.environment import write_env_file
from lse_dagster.sandbox.server import Sandbox, running_sandbox
from lse_dagster.sandbox.trace import TracedDay, trace_conversations

DEMO_PROJECT = "my-project"
DEMO_DATE = date(2025, 8, 29)
DEMO_TRACES = 40
HOME = "dagster_home"


_PORTS = (8811, 8812)
"""Fixed where they are free, so that the Drive links of earlier runs still open in the UI."""


@dataclass(frozen=True)
class Playground:
    """A running sandbox and the folder that `dagster` commands on it run in."""

    folder: Path
    sandbox: Sandbox
    claim: Claim

    @property
    def environment(self) -> dict[str, str]:
        """Every variable of the `.env` in the folder."""
        return {
            **self.sandbox.env,
            "LSE_RETENTION_DAYS": "36500",  # the sandbox forgets nothing by itself
            "LSE_DATA_DIR": str(self.folder / "data"),
            "LSE_ARCHIVES_DIR": str(self.folder / "archives"),
            "DAGSTER_HOME": str(self.folder / HOME),
        }

    def trace(self, project: str, day: date, traces: int) -> TracedDay:
        """Write conversations into the sandbox through the real SDK; the same ones again change nothing."""
        from langsmith import Client

        from lse_dagster.net.session import Session

        api_key = self.sandbox.env["LANGSMITH_API_KEY"]
        client = Client(api_url=self.sandbox.langsmith_url, api_key=api_key, session=Session())
        traced = trace_conversations(client, project, day, demo_conversations(traces, seed=1))
        client.cleanup()
        return traced

    @property
    def process_environment(self) -> dict[str, str]:
        """The environment for a child process: ours, which is clean, and the playground's variables."""
        return {**os.environ, **self.environment}


@contextlib.contextmanager
def running_playground(folder: Path) -> Iterator[Playground]:
    """Start the sandbox of a playground; it ends with the block, its state stays in the folder.

    Until then this process has a clean environment, too. Raises `HomeInUse`.
    """
    folder = folder.absolute()
    home = folder / HOME
    langsmith_port, drive_port = (_port_if_free(port) for port in _PORTS)
    with (
        alone_on(home) as claim,
        clean_environment(),
        running_sandbox(folder / "sandbox", langsmith_port=langsmith_port, drive_port=drive_port) as sandbox,
    ):
        playground = Playground(folder, sandbox, claim)
        write_env_file(folder / ".env", playground.environment)
        prepare_home(home, renew=True)
        yield playground


def _port_if_free(port: int) -> int:
    """The port, or 0 (any free one) when something else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port
