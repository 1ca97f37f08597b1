"""The files of `deploy/`, and what else tests of them have to know: versions, and which variables exist."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

TICK_SECONDS = "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"
"""Dagster's own: how long a tick of a sensor may take."""

_ASSIGNMENT = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
_CONSTRAINT = re.compile(r"^([\w.-]+)==(\S+)$", re.MULTILINE)


def documented_variables(path: Path) -> set[str]:
    """The variables that an example of an environment file sets, or shows in a comment."""
    return set(_ASSIGNMENT.findall(path.read_text(encoding="utf-8")))


def variables_of_dagster() -> set[str]:
    """What Dagster reads: where its files say `env:`, and its home."""
    files = [DEPLOY / "dagster.yaml", DEPLOY / "workspace.yaml"]
    found = [_env_references(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in files]
    return {"DAGSTER_HOME"}.union(*found)


def known_variables() -> set[str]:
    """Every variable that the project or Dagster reads."""
    return documented_variables(ROOT / ".env.example") | variables_of_dagster() | {TICK_SECONDS}


def project_version() -> str:
    """The package's version."""
    version: str = project()["version"]
    return version


def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def constraints() -> dict[str, str]:
    """The pinned version of each package."""
    return dict(_CONSTRAINT.findall((ROOT / "constraints.txt").read_text(encoding="utf-8")))


def _env_references(value: object) -> set[str]:
    if isinstance(value, dict):
        if set(value) == {"env"}:
            return {str(value["env"])}
        return set().union(*map(_env_references, value.values()))
    if isinstance(value, list):
        return set().union(*map(_env_references, value))
    return set()
