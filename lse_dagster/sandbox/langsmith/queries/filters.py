"""LangSmith's filter language, compiled to SQL with parameters.

`and(gte(start_time, "2025-08-29T00:00:00Z"), neq(status, "error"))`: comparisons over the columns below,
joined by and, or, not. What the sandbox cannot answer (feedback, metadata, search) is an error that says
so, never a filter that is silently dropped.
"""

import re
from typing import NamedTuple, NoReturn

from lse_dagster.sandbox.langsmith.times import parse_time

Value = str | int | float | bool | None

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w-])"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<mark>[(),\[\]]))"""
)
_COMPARISONS = {"eq": "=", "neq": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}
_COLUMNS = {
    "id": "id",
    "trace_id": "trace_id",
    "parent_run_id": "parent_id",
    "name": "name",
    "run_type": "run_type",
    "status": "status",
    "start_time": "start_us",
    "end_time": "end_us",
    "is_root": "is_root",
    "error": "error",
    "latency": "latency",
}
_TIMES = {"start_time", "end_time"}
_LOWER = {"id", "trace_id", "parent_run_id", "run_type", "status"}
_MAX_DEPTH = 50


class FilterError(ValueError):
    """The filter is wrong, or asks for something the sandbox does not know."""


class Sql(NamedTuple):
    """A condition and its parameters."""

    text: str
    parameters: tuple[Value, ...]


class _Name(NamedTuple):
    name: str


class _Call(NamedTuple):
    function: str
    arguments: "list[_Parsed]"


_Parsed = Value | _Name | _Call | list["_Parsed"]


def compile_filter(text: str, alias: str) -> Sql:
    """The filter as a condition on the runs table under this alias."""
    parsed = _Parser(text).parse()
    if not isinstance(parsed, _Call):
        raise FilterError(f'a filter is a call like eq(name, "x"), not {text!r}')
    return _condition(parsed, alias)


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def parse(self) -> _Parsed:
        parsed = self._expression(0)
        if self._text[self._position :].strip():
            self._fail("text after the end")
        return parsed

    def _expression(self, depth: int) -> _Parsed:
        if depth > _MAX_DEPTH:
            self._fail("nested too deeply")
        token = self._next()
        if token["string"] is not None:
            return re.sub(r"\\(.)", r"\1", token["string"][1:-1])
        if (number := token["number"]) is not None:
            return float(number) if re.search(r"[.eE]", number) else int(number)
        if token["mark"] == "[":
            return self._list("]", depth)
        if (name := token["name"]) is None:
            self._fail(f"unexpected {token['mark']!r}")
        if name in _WORDS:
            return _WORDS[name]
        if self._accept("("):
            return _Call(name, self._list(")", depth))
        return _Name(name)

    def _list(self, end: str, depth: int) -> "list[_Parsed]":
        items: list[_Parsed] = []
        if self._accept(end):
            return items
        while True:
            items.append(self._expression(depth + 1))
            if self._accept(end):
                return items
            if not self._accept(","):
                self._fail(f"expected ',' or '{end}'")

    def _next(self) -> re.Match[str]:
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            self._fail("unexpected end" if not self._text[self._position :].strip() else "unexpected text")
        self._position = match.end()
        return match

    def _accept(self, mark: str) -> bool:
        match = _TOKEN.match(self._text, self._position)
        if match is None or match["mark"] != mark:
            return False
        self._position = match.end()
        return True

    def _fail(self, why: str) -> NoReturn:
        raise FilterError(f"{why} at position {self._position} of {self._text!r}")


def _condition(parsed: _Parsed, alias: str) -> Sql:
    if not isinstance(parsed, _Call):
        raise FilterError(f"expected a condition, got {parsed!r}")
    function, arguments = parsed
    if function in {"and", "or"} and arguments:
        parts = [_condition(argument, alias) for argument in arguments]
        text = f" {function.upper()} ".join(part.text for part in parts)
        return Sql(f"({text})", tuple(value for part in parts for value in part.parameters))
    if function == "not" and len(arguments) == 1:
        inner = _condition(arguments[0], alias)
        # A comparison with a missing value is unknown in SQL; "not" must still let that run through.
        return Sql(f"(NOT COALESCE({inner.text}, 0))", inner.parameters)
    if len(arguments) == 2 and isinstance(arguments[0], _Name):
        return _comparison(function, arguments[0].name, arguments[1], alias)
    raise FilterError(f"cannot read {function}() with {len(arguments)} arguments")


def _comparison(function: str, field: str, operand: _Parsed, alias: str) -> Sql:
    if function == "has" and field == "tags" and isinstance(operand, str):
        return Sql(f"EXISTS (SELECT 1 FROM json_each({alias}.tags) AS tag WHERE tag.value = ?)", (operand,))
    if field not in _COLUMNS:
        raise FilterError(
            f"unknown field {field!r} (the sandbox knows {', '.join(_COLUMNS)} and has(tags, ...))"
        )
    column = f"{alias}.{_COLUMNS[field]}"
    if function == "in" and isinstance(operand, list):
        values = tuple(_value(field, item) for item in operand)
        return Sql(f"{column} IN ({', '.join('?' * len(values))})", values)
    if function not in _COMPARISONS:
        raise FilterError(f"unknown comparison {function!r}")
    value = _value(field, operand)
    if value is None:
        if function not in {"eq", "neq"}:
            raise FilterError(f"{function}() cannot compare with null")
        return Sql(f"{column} IS {'NOT ' if function == 'neq' else ''}NULL", ())
    if function == "neq":
        return Sql(f"{column} IS NOT ?", (value,))
    return Sql(f"{column} {_COMPARISONS[function]} ?", (value,))


def _value(field: str, operand: _Parsed) -> Value:
    if isinstance(operand, (_Name, _Call, list)):
        raise FilterError(f"{field} is compared with a value, not with {operand!r}")
    if field in _TIMES and operand is not None:
        try:
            return parse_time(str(operand))
        except ValueError as error:
            raise FilterError(f"{field}: {operand!r} is not a time") from error
    if field == "is_root" and isinstance(operand, str):
        return operand.lower() == "true"
    if field in _LOWER and isinstance(operand, str):
        return operand.lower()
    return operand
