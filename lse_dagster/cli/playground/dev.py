"""`lse dev`: the Dagster UI on the user's `.env`, or on the sandbox when there is none."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from lse_dagster.cli.environment import load_env_file
from lse_dagster.cli.terminal.console import say

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
@click.option("--port", default=3000, show_default=True, help="Port of the UI.")
def dev(folder: Path, port: int) -> None:
    """Open the Dagster UI on your accounts (.env), or on the sandbox.

    Example: lse dev --port 3000
    """
    if _ENV.is_file():
        from lse_dagster.cli.running.instance import dagster_home, prepare_home

        load_env_file()
        home = dagster_home()
        say(f"Using the accounts of {_ENV.absolute()}, Dagster home {home}")
        prepare_home(home, renew=not os.environ.get("DAGSTER_HOME"))
        sys.exit(_serve(port, Path.cwd(), {**os.environ, "DAGSTER_HOME": str(home)}))

    from lse_dagster.cli.playground.folder import DEMO_DATE, DEMO_PROJECT, DEMO_TRACES, running_playground

    say(f"There is no .env here: using the sandbox in {folder.absolute()}")
    say("Nothing leaves this machine. For your accounts: lse init.")
    with running_playground(folder) as playground:
        playground.trace(DEMO_PROJECT, DEMO_DATE, DEMO_TRACES)
        say(f"{DEMO_PROJECT} has traces on {DEMO_DATE}: materialize that partition.")
        status = _serve(port, playground.folder, playground.process_environment)
    sys.exit(status)


def _serve(port: int, folder: Path, environment: Mapping[str, str]) -> int:
    """Run `dagster dev` until it ends or we are told to; it always ends with us."""
    what = ["-w", str(_WORKSPACE.absolute())] if _WORKSPACE.is_file() else ["-m", "lse_dagster"]
    command = ["dagster", "dev", *what, "-p", str(port)]
    say(f"$ cd {folder} && {' '.join(command)}")
    say(f"The UI opens at http://127.0.0.1:{port} in a few seconds; Ctrl+C ends it.")
    # `lse dev &` in a script ignores SIGINT; Dagster would inherit that and could not be stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=folder,
        env=dict(environment),
        start_new_session=True,
    )

    def stop(*_: object) -> None:
        process.send_signal(signal.SIGINT)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
