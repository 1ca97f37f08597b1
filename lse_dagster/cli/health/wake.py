"""Sensors and schedules that wait for a time which a wrong clock had shown, set to look again.

Dagster (1.13) starts none before the time of its last look has come again; to switch it off and on does not
change that.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import DagsterInstance

_AHEAD = 600.0


def wake(instance: "DagsterInstance", now: float) -> list[str]:
    """Date what is dated later than now to now; the names of whom that concerned. Cursors stay."""
    from lse_dagster.defs.dagster_internals import ScheduleInstigatorData, SensorInstigatorData

    woken = []
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, after=now + _AHEAD)
        data = state.instigator_data
        if isinstance(data, SensorInstigatorData):
            times: tuple[float | None, ...] = (data.last_tick_timestamp, data.last_tick_start_timestamp)
            data = data._replace(last_tick_timestamp=None, last_tick_start_timestamp=None)
        elif isinstance(data, ScheduleInstigatorData):
            times = (data.last_iteration_timestamp,)
            data = data._replace(last_iteration_timestamp=now)
        else:
            continue
        if not ticks and all(time is None or time <= now + _AHEAD for time in times):
            continue
        for tick in ticks:
            instance.update_tick(tick._replace(tick_data=tick.tick_data._replace(timestamp=now)))
        instance.update_instigator_state(state.with_data(data))
        woken.append(state.instigator_name)
    return sorted(woken)
