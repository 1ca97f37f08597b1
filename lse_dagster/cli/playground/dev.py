"""`lse dev`: the Dagster UI on the user's `.env`, or on the sandbox when there is none."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lse_dagster.cli.environment import load_env_file
from lse_dagster.cli.terminal.console import stdout
from lse_dagster.cli.terminal.group import verbose_wanted

if TYPE_CHECKING:
    from lse_dagster.cli.playground.occupied import Claim

_WORKSPACE = Path("workspace.yaml")
_ENV = Path(".env")


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Where the sandbox of the demo keeps its state. Used when there is no .env.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the UI."
)
def dev(folder: Path, port: int) -> None:
    """Open the Dagster UI on your accounts (.env), or on the sandbox.

    A port that somebody else has, and a second `lse dev` on one Dagster home, are refused.

    Example: lse dev --port 3000
    """
    from lse_dagster.cli.playground.occupied import alone_on, expect_free

    if _ENV.is_file():
        from lse_dagster.cli.running.instance import dagster_home, prepare_home

        load_env_file()
        home = dagster_home()
        expect_free(port, home)
        stdout().print(f"Using the accounts of {_ENV.absolute()}, Dagster home {home}")
        with alone_on(home) as claim:
            prepare_home(home, renew=not os.environ.get("DAGSTER_HOME"))
            status = _serve(port, Path.cwd(), {**os.environ, "DAGSTER_HOME": str(home)}, claim)
        sys.exit(status)

    from lse_dagster.cli.playground.folder import (
        DEMO_DATE,
        DEMO_PROJECT,
        DEMO_TRACES,
        HOME,
        running_playground,
    )

    expect_free(port, folder.absolute() / HOME)
    stdout().print(f"There is no .env here: using the sandbox in {folder.absolute()}")
    stdout().print("Nothing leaves this machine. For your accounts: lse init.")
    with running_playground(folder) as playground:
        playground.trace(DEMO_PROJECT, DEMO_DATE, DEMO_TRACES)
        stdout().print(f"{DEMO_PROJECT} has traces on {DEMO_DATE}: materialize that partition.")
        status = _serve(port, playground.folder, playground.process_environment, playground.claim)
    sys.exit(status)


def _serve(port: int, folder: Path, environment: Mapping[str, str], claim: "Claim") -> int:
    """Run `dagster dev` until it ends or we are told to; it always ends with us."""
    what = ["-w", str(_WORKSPACE.absolute())] if _WORKSPACE.is_file() else ["-m", "lse_dagster"]
    command = ["dagster", "dev", *what, "-p", str(port)]
    stdout().print(f"$ cd {folder} && {' '.join(command)}")
    stdout().print(f"The UI opens at http://127.0.0.1:{port} in a few seconds; Ctrl+C ends it.")
    # `lse dev &` in a script ignores SIGINT; Dagster would inherit that and could not be stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=folder,
        env=dict(environment) if verbose_wanted() else {"PYTHONWARNINGS": "ignore", **environment},
        start_new_session=True,
        pass_fds=[claim.file.fileno()],  # the home is taken as long as this runs, whatever becomes of us
    )
    claim.is_served_by(process.pid, port)

    def stop(*_: object) -> None:
        process.send_signal(signal.SIGINT)

    # SIGHUP: the terminal was closed.
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, stop) for number in ending}
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
