"""What stays from one tick to the next, as JSON in Dagster's cursors.

The cursor of a sensor itself is kept only when its tick ends well.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import TypeVar

import dagster as dg
import msgspec

_Value = TypeVar("_Value")


def keep(instance: dg.DagsterInstance, key: str, value: object) -> None:
    """Keep a value until the next one of the key."""
    instance.daemon_cursor_storage.set_cursor_values({key: msgspec.json.encode(value).decode()})


def kept(instance: dg.DagsterInstance, keys: Iterable[str], kind: type[_Value]) -> dict[str, _Value]:
    """What is kept under the keys. What cannot be read is not: it begins anew."""
    found = {}
    for key, text in instance.daemon_cursor_storage.get_cursor_values({*keys}).items():
        with suppress(msgspec.MsgspecError, UnicodeError):
            found[key] = msgspec.json.decode(text, type=kind)
    return found
