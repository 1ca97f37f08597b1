"""Endpoints that LangSmith will take away: the earliest warning that the ground of the archive moves.

The runs that fetch see it in LangSmith's answers. It is logged and told once for each endpoint and date.
"""

from collections.abc import Collection, Iterable
from typing import Final

import dagster as dg
import msgspec

from lse_dagster.defs.alerts.kept import keep, kept
from lse_dagster.defs.alerts.ledger import Ledger, Words
from lse_dagster.net.end_of_life import EndOfLife

_KEY: Final = "lse/endpoints_that_end"
NEXT_STEP: Final = "Update this archive, and LangSmith where it is your own, before that day."


class _Heard(msgspec.Struct, frozen=True):
    endings: tuple[EndOfLife, ...] = ()
    told: tuple[EndOfLife, ...] = ()


def keep_endings(instance: dg.DagsterInstance, found: Collection[EndOfLife]) -> list[EndOfLife]:
    """Remember what a run heard; what of it is new."""
    heard = _heard(instance) if found else _Heard()
    new = [one for one in found if one not in heard.endings]
    if new:
        # What is said of an endpoint now counts, not what was said before.
        named = {one.endpoint for one in new}
        stay = (one for one in heard.endings if one.endpoint not in named)
        keep(instance, _KEY, _Heard((*stay, *new), heard.told))
    return new


def heard_endings(instance: dg.DagsterInstance) -> tuple[EndOfLife, ...]:
    """What LangSmith has said so far."""
    return _heard(instance).endings


def with_endings(ledger: Ledger, instance: dg.DagsterInstance) -> tuple[Ledger, list[EndOfLife]]:
    """The ledger with what nobody was told, and that; `note_told` when the ledger is kept."""
    heard = _heard(instance)
    untold = [one for one in heard.endings if one not in heard.told]
    if untold:
        what = "LangSmith will take away what this archive asks for"
        why = ". ".join(map(str, untold)) + "."
        ledger = ledger.endangered(Words(None, None, what, why, NEXT_STEP))
    return ledger, untold


def note_told(instance: dg.DagsterInstance, told: Iterable[EndOfLife]) -> None:
    """What of it is in the ledger."""
    if now_told := tuple(told):
        heard = _heard(instance)
        keep(instance, _KEY, _Heard(heard.endings, (*heard.told, *now_told)))


def _heard(instance: dg.DagsterInstance) -> _Heard:
    return kept(instance, {_KEY}, _Heard).get(_KEY, _Heard())
