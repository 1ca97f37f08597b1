"""Days whose traces are as large as a test needs."""

import random
from pathlib import Path

from lse_dagster.day.folder import DayFolder
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import published_day

_WORDS = ("flight", "booking", "refund", "card", "voucher", "delay", "seat", "Größe", "東京", "[]", "0.125")


def runs_of_sizes(sizes: list[int], *, seed: int = 0) -> list[bytes]:
    """One run, so one trace, for each size: about so many bytes of text that compresses like real text."""
    rng = random.Random(seed)
    return [root(at("10:00:00")).raw(inputs=text(rng, size)) for size in sizes]


def text(rng: random.Random, size: int) -> str:
    """Words in random order."""
    return " ".join(rng.choices(_WORDS, k=size // 7))


def day_of_sizes(folder: Path, sizes: list[int]) -> DayFolder:
    """A published day with a trace of each size."""
    return published_day(folder, runs_of_sizes(sizes))
