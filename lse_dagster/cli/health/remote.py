"""The facts as a webserver of Dagster tells them, on any machine that reaches it: its GraphQL."""

import re
from collections.abc import Iterator
from typing import Any, Final

import requests

from lse_dagster.cli.health.facts import Facts, Watcher, words_of
from lse_dagster.errors import ArchiveError
from lse_dagster.net.faults import fault_sentence
from lse_dagster.net.session import Session

_SECONDS: Final = 20.0
_EXPECTED: Final = re.compile(
    r"(archive(_\w+)?_schedule)|(reconcile(_\w+)?_sensor)|health_sensor|alerts_sensor"
)
"""What must be on for days to be archived and people to be told."""
_TICKS: Final = """ticks(limit: 3, statuses: [SKIPPED, SUCCESS, FAILURE]) {
  timestamp status error { message causes { message } } }"""
_QUERY: Final = f"""{{
  workspaceOrError {{ __typename
    ... on PythonError {{ message }}
    ... on Workspace {{ locationEntries {{ name locationOrLoadError {{ __typename
      ... on PythonError {{ message }}
      ... on RepositoryLocation {{ repositories {{
        sensors {{ name minIntervalSeconds sensorState {{ status {_TICKS} }} }}
        schedules {{ name scheduleState {{ status {_TICKS} }} }} }} }} }} }} }} }}
  instance {{ daemonHealth {{ allDaemonStatuses {{ daemonType required lastHeartbeatTime }} }} }} }}"""


class NoAnswer(ArchiveError):
    """Dagster's webserver did not say how things are."""


def facts_of_webserver(url: str) -> Facts:
    """Ask a webserver. Raises `NoAnswer`."""
    what, next_step = f"Asking Dagster at {url}", "Check the address, and whether the webserver runs."
    try:
        with Session() as session:
            answer = session.post(f"{url.rstrip('/')}/graphql", json={"query": _QUERY}, timeout=_SECONDS)
        data = answer.json()["data"] if answer.ok else None
    except (requests.RequestException, ArchiveError, ValueError, LookupError, TypeError) as error:
        raise NoAnswer(what, fault_sentence(error), next_step) from None
    if not data:
        raise NoAnswer(what, f"The server answered {answer.status_code}, without what was asked.", next_step)
    statuses = data["instance"]["daemonHealth"]["allDaemonStatuses"]
    daemons = {one["daemonType"]: one["lastHeartbeatTime"] for one in statuses if one["required"]}
    return _facts(data["workspaceOrError"], daemons)


def _facts(workspace: dict[str, Any], daemons: dict[str, float | None]) -> Facts:
    if "locationEntries" not in workspace:
        return Facts(workspace.get("message", workspace["__typename"]).strip(), daemons, [])
    locations = [entry["locationOrLoadError"] or {} for entry in workspace["locationEntries"]]
    watchers = [one for location in locations for one in _watchers(location)]
    broken = [
        location.get("message", "It is being loaded.") for location in locations if not _is_loaded(location)
    ]
    if not locations:
        return Facts("There is none.", daemons, [])
    # Other code may live on the same Dagster: a broken location is ours if ours is in no other one.
    return Facts(broken[0].strip() if broken and not watchers else None, daemons, watchers)


def _is_loaded(location: dict[str, Any]) -> bool:
    return location.get("__typename") == "RepositoryLocation"


def _watchers(location: dict[str, Any]) -> Iterator[Watcher]:
    for repository in location.get("repositories", ()):
        for sensor in repository["sensors"]:
            if _EXPECTED.fullmatch(sensor["name"]):
                interval = float(sensor["minIntervalSeconds"] or 0)
                yield _watcher(sensor["name"], sensor["sensorState"], interval)
        for schedule in repository["schedules"]:
            if _EXPECTED.fullmatch(schedule["name"]):
                yield _watcher(schedule["name"], schedule["scheduleState"], None)


def _watcher(name: str, state: dict[str, Any], interval: float | None) -> Watcher:
    tick = state["ticks"][0] if state["ticks"] else None
    error = tick["error"] if tick is not None and tick["status"] == "FAILURE" else None
    return Watcher(
        name=name,
        kind="schedule" if interval is None else "sensor",
        is_on=state["status"] == "RUNNING",
        interval=interval,
        ticked_at=tick["timestamp"] if tick is not None else None,
        error=words_of([error["message"], *(one["message"] for one in error["causes"])]) if error else None,
    )
