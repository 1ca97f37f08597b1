"""The Dagster instance that a command works on: DAGSTER_HOME, its settings, the pools set by name.

A pool that was never set by name can be overrun once by the first backfill, so both are set here.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from lse_dagster.defs import running
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from dagster import DagsterInstance

_DEFAULT_HOME = ".dagster_home"
SETTINGS: Final = Path(running.__file__).with_name("dagster.yaml")
"""What a home on one machine is made with."""

CLAIM: Final = ".served.lock"
"""In a home: held by who runs Dagster's UI and daemon on it."""
_LOCK: Final = ".opening.lock"
_PATIENCE: Final = 60.0
"""Seconds; opening a home takes one or two, also a new one."""

_NO_CAPTURE = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
    "config": {},
}


class UnusableInstance(ArchiveError):
    """Dagster's home cannot be opened."""

    def __init__(self, home: Path, error: Exception) -> None:
        super().__init__(
            f"Opening the Dagster home {home}",
            f"{type(error).__name__}: {error}",
            "Check DAGSTER_HOME in .env; `dagster instance migrate` helps after an upgrade of Dagster. "
            "Give a home that stays broken another name: a new one is made, and no day lies in it.",
        )


def dagster_home() -> Path:
    """DAGSTER_HOME, else `.dagster_home` in the working folder: one place for `lse dev` and all commands.

    `.env` must have been loaded (`environment.load_settings`).
    """
    # As Dagster does it: nobody else writes the home directory into what stands in `.env` as `~`.
    return Path(os.path.expanduser(os.environ.get("DAGSTER_HOME") or _DEFAULT_HOME)).absolute()  # noqa: PTH111


def code_server() -> tuple[str, int] | None:
    """Host and port of the code server, where `deploy/` has given it a process of its own."""
    host, port = os.environ.get("LSE_CODE_SERVER_HOST"), os.environ.get("LSE_CODE_SERVER_PORT", "")
    return (host, int(port)) if host and port.isdigit() else None


def open_instance() -> "DagsterInstance":
    """The instance of `dagster_home`, made if it is not there. Raises `UnusableInstance`.

    It does not capture what steps print: ours print nothing, and the processes that Dagster starts to mirror
    it would answer Ctrl+C with tracebacks on the terminal.
    """
    from dagster import DagsterInstance

    from lse_dagster.defs.dagster_internals import (
        InstanceRef,  # the only way to override a part of dagster.yaml
    )

    home = dagster_home()
    try:
        with _alone_in(home):
            if {path.name for path in home.iterdir()} <= {_LOCK, CLAIM}:
                _prepare(home, SETTINGS, renew=False)
            return DagsterInstance.from_ref(
                InstanceRef.from_dir(str(home), overrides={"compute_logs": _NO_CAPTURE})
            )
    except Exception as error:
        raise UnusableInstance(home, error) from error


def prepare_home(home: Path, dagster_yaml: Path = SETTINGS, *, renew: bool = False) -> None:
    """Make `home` a DAGSTER_HOME with the settings of `dagster_yaml`.

    Settings that it has already stay, unless they are ours to `renew`.
    """
    with _alone_in(home):
        _prepare(home, dagster_yaml, renew=renew)


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """Opening makes and migrates Dagster's databases where they are not there yet.

    Two processes that do so at once leave databases that no later one can open (1.13.27).
    """
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / _LOCK, timeout=_PATIENCE):
        yield


def _prepare(home: Path, dagster_yaml: Path, *, renew: bool) -> None:
    from dagster import DagsterInstance

    from lse_dagster.defs.project import DRIVE_POOL, LANGSMITH_POOL

    settings = home / "dagster.yaml"
    if renew or not settings.exists():
        shutil.copyfile(dagster_yaml, settings)
    with DagsterInstance.from_config(str(home)) as instance:
        for pool, limit in {LANGSMITH_POOL: 1, DRIVE_POOL: 2}.items():
            instance.event_log_storage.set_concurrency_slots(pool, limit)
