"""What is known of an installation by what it records, wherever that was read, and what is wrong with it.

Only ticks prove that something works: a process that answers may serve nothing. What lies deeper (settings,
disk, clock, keys, days) the installation looks at itself, and says so in the ticks of its `health_sensor`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lse_dagster.cli.doctor.finding import Finding, problem

_HEARTBEAT: Final = 300.0
_MISSED_LOOKS: Final = 3
_SLACK: Final = 300.0
_AHEAD: Final = 600.0
_DAY_AND_A_BIT: Final = 90_000.0
_CLASS: Final = re.compile(r"^[\w.]+: ")


@dataclass(frozen=True)
class Watcher:
    """A sensor or a schedule. Times are seconds since 1970; `error` is that of its last tick."""

    name: str
    kind: Literal["sensor", "schedule"]
    is_on: bool
    interval: float | None = None
    ticked_at: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Facts:
    """`location`: why the code cannot be loaded, or None. `daemons`: the required ones' last sign of life."""

    location: str | None
    daemons: dict[str, float | None]
    watchers: Sequence[Watcher]


def problems_of(facts: Facts, now: float) -> list[Finding]:
    """What is wrong, the cause before its consequences."""
    found = list(_of_processes(facts, now))
    if facts.location is None and not any(one.name == "health_sensor" for one in facts.watchers):
        text = "There is none at work: nothing of an archive runs by itself in this Dagster."
        found.append(problem("health_sensor", text, "Set LSE_SCHEDULES=on, and restart the code server."))
    for watcher in facts.watchers:
        found += _of_watcher(watcher, now)
    return found


def words_of(messages: Sequence[str]) -> str:
    """The error that somebody wrote, out of the chain that Dagster wraps it in, the innermost last."""
    return _CLASS.sub("", messages[-1].strip()) if messages else "no reason was recorded"


def _of_processes(facts: Facts, now: float) -> Iterator[Finding]:
    if facts.location is not None:
        yield problem("code location", facts.location, "Look at the log of the code server, and restart it.")
    silent = [name for name, seen in facts.daemons.items() if seen is None or now - seen > _HEARTBEAT]
    if silent or not facts.daemons:
        yield problem(
            "daemon", f"No sign of life from {', '.join(silent) or 'any'}.", "Restart Dagster's daemon."
        )


def _of_watcher(watcher: Watcher, now: float) -> Iterator[Finding]:
    if not watcher.is_on:
        next_step = "Put LSE_SCHEDULES=on into .env, or switch it on in the UI: Automation"
        yield problem(watcher.name, "It is off, or no daemon has seen it yet.", next_step)
        return
    if watcher.error is not None:
        yield problem(
            watcher.name, watcher.error, f"Look at its ticks in the UI: Automation > {watcher.name}"
        )
        return
    of_sensor = _MISSED_LOOKS * (watcher.interval or 0) + _SLACK
    longest = of_sensor if watcher.kind == "sensor" else _DAY_AND_A_BIT
    if watcher.ticked_at is None:
        if watcher.kind == "sensor":
            yield problem(
                watcher.name, "It has not looked yet.", "Wait a minute; then look at the daemon's log."
            )
    elif watcher.ticked_at - now > _AHEAD:
        text = f"Its last look was in {(watcher.ticked_at - now) / 60:,.0f} minutes: the clock was wrong."
        next_step = "Dagster waits until then. Set the clock (NTP); then, on that machine: lse health --wake"
        yield problem(watcher.name, text, next_step)
    elif now - watcher.ticked_at > longest:
        text = f"Its last look was {(now - watcher.ticked_at) / 60:,.0f} minutes ago."
        yield problem(watcher.name, text, "Look at the logs of the daemon and of the code server.")
