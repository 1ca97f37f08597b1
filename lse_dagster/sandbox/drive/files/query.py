"""The `q` parameter of files.list, compiled to SQL over `files AS f`.

Like the real one: `and` and `or` bind equally and are read from the left, `name =` ignores case, and
`name contains` matches the beginning of words only. What cannot be understood is refused as a whole.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lse_dagster.sandbox.drive.errors import invalid
from lse_dagster.sandbox.drive.store import timestamp

_TOKEN = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|(<=|>=|!=|[=<>(){}])|([A-Za-z]+))", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DEPTH = 40
_TERMS = 400
_COMPARISONS = {"<", "<=", "=", "!=", ">", ">="}
_TIMES = {"createdTime": "f.created_time", "modifiedTime": "f.modified_time"}
_FLAGS = {"trashed": "f.trashed", "starred": "f.starred"}


@dataclass(frozen=True)
class Condition:
    """SQL, the values for its question marks, and the folders it names (which must exist)."""

    sql: str
    values: tuple[object, ...] = ()
    parents: tuple[str, ...] = ()

    @classmethod
    def joined(cls, operator: str, parts: "list[Condition]") -> "Condition":
        """All of the parts between `and`s or between `or`s."""
        return cls(
            "(" + f" {operator} ".join(part.sql for part in parts) + ")",
            tuple(value for part in parts for value in part.values),
            tuple(parent for part in parts for parent in part.parents),
        )


def compile_query(text: str, *, email: str, app: str, root: str) -> Condition:
    """The condition for a `q`; `root` is what the alias 'root' means to the caller."""
    if not text.strip():
        return Condition("1")
    parser = _Parser(_tokens(text), email=email, app=app, root=root)
    condition = parser.expression(0)
    parser.end()
    return condition


def _tokens(text: str) -> list[str]:
    tokens, at, stripped = [], 0, text.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            raise invalid("q")
        tokens.append(match.group().lstrip())
        at = match.end()
    return tokens


def _literal(token: str) -> str:
    def unescape(match: re.Match[str]) -> str:
        if match.group(1) not in "'\\":
            raise invalid("q")
        return match.group(1)

    return _ESCAPE.sub(unescape, token[1:-1])


class _Parser:
    """Recursive descent over the tokens; the position is its only state."""

    def __init__(self, tokens: list[str], *, email: str, app: str, root: str) -> None:
        self._tokens = tokens
        self._at = 0
        self._terms = 0
        self._email = email
        self._app = app
        self._root = root

    def expression(self, depth: int) -> Condition:
        """Operands between operators. A run of one operator stays flat: SQLite limits how deep SQL nests."""
        parts, operator = [self._operand(depth)], ""
        while (following := self._peek()) in {"and", "or"}:
            if operator not in {"", following}:
                parts = [Condition.joined(operator, parts)]
                depth += 1
            operator = self._next()
            parts.append(self._operand(depth))
        return Condition.joined(operator, parts)

    def end(self) -> None:
        if self._peek():
            raise invalid("q")

    def _operand(self, depth: int) -> Condition:
        if depth > _DEPTH:
            raise invalid("q", "The query is too complex.")
        word = self._next()
        if word == "not":
            inner = self._operand(depth + 1)
            return Condition(f"NOT ({inner.sql})", inner.values, inner.parents)
        if word == "(":
            inner = self.expression(depth + 1)
            self._expect(")")
            return inner
        self._terms += 1
        if self._terms > _TERMS:
            raise invalid("q", "The query is too complex.")
        return self._member(_literal(word)) if word.startswith("'") else self._term(word)

    def _member(self, value: str) -> Condition:
        self._expect("in")
        collection = self._next()
        if collection == "parents":
            parent = self._root if value == "root" else value
            return Condition("f.parent IS ?", (parent,), (parent,))
        email = self._email if value == "me" else value
        if collection == "owners":
            return Condition("(f.owner = ? AND f.drive_id IS NULL)", (email,))
        if collection in {"writers", "readers"}:
            return Condition("f.realm IN (SELECT realm FROM grants WHERE email = ?)", (email,))
        raise invalid("q")

    def _term(self, name: str) -> Condition:
        if name in _TIMES:
            return self._time(_TIMES[name])
        if name in _FLAGS:
            return self._flag(_FLAGS[name])
        terms: dict[str, Callable[[], Condition]] = {
            "name": self._name,
            "fullText": self._full_text,
            "mimeType": self._mime_type,
            "sharedWithMe": self._shared_with_me,
            "appProperties": lambda: self._property(self._app),
            "properties": lambda: self._property(""),
        }
        if name not in terms:
            raise invalid("q")
        return terms[name]()

    def _name(self) -> Condition:
        operator, value = self._next(), self._string()
        if operator == "contains":
            return Condition("name_contains(f.name, ?)", (value,))
        return Condition(f"f.folded_name {self._equality(operator)} ?", (value.casefold(),))

    def _full_text(self) -> Condition:
        self._expect("contains")
        return Condition("name_contains(f.name, ?)", (self._string(),))

    def _mime_type(self) -> Condition:
        operator, value = self._next(), self._string()
        if operator == "contains":
            return Condition("substr(f.mime_type, 1, length(?)) = ?", (value, value))
        return Condition(f"f.mime_type {self._equality(operator)} ?", (value,))

    def _time(self, column: str) -> Condition:
        operator, value = self._next(), self._string()
        if operator not in _COMPARISONS:
            raise invalid("q")
        try:
            moment = timestamp(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            raise invalid("q") from None
        return Condition(f"{column} {operator} ?", (moment,))

    def _flag(self, column: str) -> Condition:
        operator, value = self._equality(self._next()), self._next()
        if value not in {"true", "false"}:
            raise invalid("q")
        return Condition(f"{column} {operator} ?", (int(value == "true"),))

    def _shared_with_me(self) -> Condition:
        wanted = True
        if self._peek() == "=":
            self._next()
            wanted = self._next() == "true"
        shared = Condition("(f.id = f.realm AND f.drive_id IS NULL AND f.owner != ?)", (self._email,))
        return shared if wanted else Condition(f"NOT {shared.sql}", shared.values)

    def _property(self, app: str) -> Condition:
        for token in ("has", "{", "key", "="):
            self._expect(token)
        key = self._string()
        for token in ("and", "value", "="):
            self._expect(token)
        value = self._string()
        self._expect("}")
        return Condition(
            "EXISTS (SELECT 1 FROM properties p"
            " WHERE p.file_id = f.id AND p.app = ? AND p.key = ? AND p.value = ?)",
            (app, key, value),
        )

    @staticmethod
    def _equality(operator: str) -> str:
        if operator not in {"=", "!="}:
            raise invalid("q")
        return operator

    def _string(self) -> str:
        token = self._next()
        if not token.startswith("'"):
            raise invalid("q")
        return _literal(token)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise invalid("q")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise invalid("q")
