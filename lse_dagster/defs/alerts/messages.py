"""The words of each message that is due. Bounded: a chat server refuses what is too long."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from msgspec.structs import replace

from lse_dagster.defs.alerts.ledger import Cause, Item, Telling, Words
from lse_dagster.run.times import in_rows

_HEAD: Final = "LangSmith archive: "
_MOST_CAUSES: Final = 10
_MOST_RANGES: Final = 12
_LONGEST_REASON: Final = 400
"""Characters, where a message tells of several."""


@dataclass(frozen=True)
class Message:
    """What people are sent; `short` says where to look, for a server that refuses the whole message."""

    text: str
    short: str


def message_of(telling: Telling) -> Message:
    """The message about what is due."""
    causes = list(telling.causes.values())
    match telling.kind:
        case "danger":
            lines = _of_danger(telling.dangers[0]) if len(telling.dangers) == 1 else _dangers(telling.dangers)
        case "begun" if len(causes) == 1:
            lines = _begun(causes[0])
        case "ended" if len(causes) == 1:
            lines = _ended(causes[0])
        case "begun":
            lines = [f"{_HEAD}{len(causes):,} things fail", *_listed_causes(causes)]
        case "ended":
            lines = [f"{_HEAD}{len(causes):,} things are over", *_listed_causes(causes)]
        case "digest":
            failing = sum(1 for cause in causes if cause.items)
            head = f"{_HEAD}{failing:,} {'thing still fails' if failing == 1 else 'things still fail'}"
            lines = [head, *_listed_causes(causes)]
    links = [words.link for words in (*telling.dangers, *(one.words for one in causes)) if words.link]
    said = "Something failed; the whole message about it was refused. Look in Dagster."
    return Message("\n".join(lines), "\n".join([lines[0], said, *links[:1]]))


def listed(found: Sequence[str], most: int = 10) -> str:
    """The first few, and how many more."""
    more = len(found) - most
    return ", ".join(found[:most]) + (f", and {more:,} more" if more > 0 else "")


def places(of: Iterable[Item | Words]) -> str:
    """The days of some items, neighbours as one range, each project once. Empty if they are of no day."""
    days = {(one.project or "", one.day) for one in of if one.day is not None}
    ranges = [
        (project, text)
        for project, group in groupby(sorted(days), key=lambda place: place[0])
        for text in in_rows((day for _, day in group), " to ")
    ]
    shown = groupby(ranges[:_MOST_RANGES], key=lambda one: one[0])
    found = [f"{project} {', '.join(text for _, text in group)}".strip() for project, group in shown]
    more = len(ranges) - _MOST_RANGES
    return "; ".join(found) + (f"; and {more:,} more" if more > 0 else "")


def _about(words: Words) -> str:
    return _HEAD + (", ".join(filter(None, (words.project, words.day))) or "this installation")


def _of_danger(words: Words) -> list[str]:
    return [*_said(words), *_link(words)]


def _said(words: Words) -> list[str]:
    return [_about(words), words.what, f"Why: {words.why}", f"Next: {words.next_step}"]


def _link(words: Words) -> list[str]:
    """Where to look; of a cause that is what failed last that people were told of."""
    return [words.link] if words.link else []


def _dangers(dangers: Sequence[Words]) -> list[str]:
    """The words of the first few; the list of all."""
    lines = [f"{_HEAD}{len(dangers):,} warnings: days are lost, or about to be"]
    for words in dangers[:_MOST_CAUSES]:
        place = ", ".join(filter(None, (words.project, words.day)))
        why = _short(words.why) if words.day else words.why  # which days is said nowhere else
        lines.append(f"- {place}: {why}")
        lines.append(f"  Next: {_short(words.next_step)}")
        lines += [f"  {link}" for link in _link(words)]
    if len(dangers) > _MOST_CAUSES:
        named = [replace(words, day=words.day or "several days") for words in dangers]
        lines.append(f"All: {places(named)}. `lse status` has the command for each.")
    return lines


def _begun(cause: Cause) -> list[str]:
    words = cause.words
    all_items = (*cause.items, *cause.mended, *cause.faded)
    others = [item for item in all_items if (item.project, item.day) != (words.project, words.day)]
    lines = _said(words)
    if others:
        lines.append(f"The same: {_things(others)}.")
    if not cause.items:
        lines.append(_over(cause))
    return [*lines, *_link(words)]


def _ended(cause: Cause) -> list[str]:
    was = f"It was, since {cause.since:%Y-%m-%d %H:%M} UTC: {cause.words.what}. {_short(cause.words.why)}"
    return [_HEAD + _over(cause), was, *_link(cause.words)]


def _over(cause: Cause) -> str:
    """What became of all that the cause held up."""
    said = [cause.over] if cause.mended else []
    if caught_up := places(cause.mended):
        said.append(f"{_count(cause.mended)} caught up: {caught_up}.")
    if cause.faded:
        said.append(f"No longer tried, or looked at: {_things(cause.faded)}.")
    return " ".join(said)


def _things(items: Iterable[Item]) -> str:
    """The days of items; of those of no day their projects, or what they are."""
    found = list(items)
    names = sorted(
        {one.project or one.subject.partition(":")[2] or one.subject for one in found if not one.day}
    )
    return "; ".join(filter(None, (places(found), listed(names, _MOST_RANGES))))


def _listed_causes(causes: Sequence[Cause]) -> list[str]:
    shown = sorted(causes, key=lambda cause: cause.since)[:_MOST_CAUSES]
    lines = [line for cause in shown for line in _listed(cause)]
    more = len(causes) - len(shown)
    return [*lines, *([f"And {more:,} more. Look in Dagster, or at `lse status`."] if more else [])]


def _listed(cause: Cause) -> Iterator[str]:
    yield f"- Since {cause.since:%Y-%m-%d %H:%M} UTC: {cause.words.what}. {_short(cause.words.why)}"
    if not cause.items:
        yield f"  {_over(cause)}"
        return
    count = f"{_count(cause.items)}: " if places(cause.items) else ""
    caught_up = f" {_count(cause.mended)} caught up." if places(cause.mended) else ""
    yield f"  {count}{_things(cause.items)}.{caught_up}"
    yield f"  Next: {_short(cause.words.next_step)}"
    yield from (f"  {link}" for link in _link(cause.words))


def _count(items: Iterable[Item]) -> str:
    """How many days, of how many projects."""
    days = {(item.project, item.day) for item in items if item.day is not None}
    projects = len({project for project, _ in days})
    count = f"{len(days):,} {'day' if len(days) == 1 else 'days'}"
    return f"{count} of {projects:,} projects" if projects > 1 else count


def _short(text: str) -> str:
    return textwrap.shorten(text, _LONGEST_REASON, placeholder=" ...")
