"""Dagster's metadata as a script reads it: text and numbers; a path or a link is its text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

Metadata = Mapping[str, str | int | float | bool | None]


def plain(metadata: "Mapping[str, dg.MetadataValue]") -> Metadata:
    """The values without Dagster's classes around them."""
    values: dict[str, str | int | float | bool | None] = {}
    for name, value in metadata.items():
        inner = value.value
        values[name] = inner if isinstance(inner, str | int | float | bool | None) else str(inner)
    return values
