"""The `fields` parameter: which parts of an answer the caller wants.

Names are checked against Google's own static discovery document, so that a misspelled field fails here as
it does there instead of being silently absent.
"""

import json
import re
from functools import cache
from typing import Any

from googleapiclient.discovery_cache import get_static_doc

from lse_dagster.sandbox.drive.errors import DriveError

Selection = dict[str, "Selection"]
"""Wanted names and what is wanted below them; `*` stands for everything."""

EVERYTHING: Selection = {"*": {}}
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9_]*|[*,/()]")
_NESTING = 200


def select(text: str, schema: str) -> Selection:
    """Parse a `fields` parameter and check it against a schema, such as `File` or `FileList`."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text) or text.count("(") + text.count("/") > _NESTING:
        raise _invalid(text)
    selection, end = _items(tokens, 0, text)
    if end != len(tokens):
        raise _invalid(text)
    _check(selection, _schemas()[schema])
    return selection


def project(value: Any, selection: Selection) -> Any:
    """What the selection leaves of a value."""
    if "*" in selection:
        return value
    if isinstance(value, list):
        return [project(item, selection) for item in value]
    if isinstance(value, dict):
        return {name: project(item, selection[name]) for name, item in value.items() if name in selection}
    return value


def wants(selection: Selection, name: str) -> bool:
    """Whether a field is selected; for fields that cost something to compute."""
    return "*" in selection or name in selection


def below(selection: Selection, name: str) -> Selection:
    """What is selected below a field."""
    return EVERYTHING if "*" in selection else selection.get(name, {})


def _items(tokens: list[str], at: int, text: str) -> tuple[Selection, int]:
    selection: Selection = {}
    while True:
        at = _path(tokens, at, selection, text)
        if at == len(tokens) or tokens[at] != ",":
            return selection, at
        at += 1


def _path(tokens: list[str], at: int, selection: Selection, text: str) -> int:
    if at == len(tokens) or tokens[at] in {",", "/", "(", ")"}:
        raise _invalid(text)
    inner = selection.setdefault(tokens[at], {})
    following = tokens[at + 1] if at + 1 < len(tokens) else ""
    if following == "/":
        return _path(tokens, at + 2, inner, text)
    if following == "(":
        nested, end = _items(tokens, at + 2, text)
        if end == len(tokens) or tokens[end] != ")":
            raise _invalid(text)
        _merge(inner, nested)
        return end + 1
    inner["*"] = {}
    return at + 1


def _merge(into: Selection, other: Selection) -> None:
    for name, nested in other.items():
        _merge(into.setdefault(name, {}), nested)


def _check(selection: Selection, schema: dict[str, Any]) -> None:
    schema = schema.get("items", schema)
    schema = _schemas()[schema["$ref"]] if "$ref" in schema else schema
    properties: dict[str, Any] | None = schema.get("properties")
    if properties is None:
        return  # a plain value, or free keys such as appProperties
    for name, nested in selection.items():
        if name == "*":
            continue
        if name not in properties:
            raise _invalid(name)
        _check(nested, properties[name])


@cache
def _schemas() -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, dict[str, Any]]] = json.loads(
        get_static_doc("drive", "v3")  # type: ignore[no-untyped-call]
    )
    return document["schemas"]


def _invalid(what: str) -> DriveError:
    return DriveError(
        400, "invalidParameter", f"Invalid field selection {what}", location=("parameter", "fields")
    )
