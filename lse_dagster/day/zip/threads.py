"""Work in threads whose results come in the order of the work, with a limit on what is in memory at once.

The threads pay where the work releases the GIL: deflating, inflating, hashing, reading and writing files.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Final, TypeVar

_MEBIBYTE: Final = 1 << 20

_THREADS: Final = min(os.cpu_count() or 1, 8)
_MOST_BYTES: Final = (_THREADS + 2) * _MEBIBYTE
"""Of the pieces that wait, are worked on, or have a result that waits. Their results come on top."""

_BATCH_BYTES: Final = _MEBIBYTE // 2
_BATCH_ITEMS: Final = 32

Item = TypeVar("Item")
Piece = TypeVar("Piece")
Result = TypeVar("Result")


def worker_threads() -> ThreadPoolExecutor:
    """Threads for `in_order`: as many as there are cores, up to eight."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="zip")


def in_order(
    threads: Executor, work: Callable[[Piece], Result], pieces: Iterable[tuple[int, Piece]]
) -> Iterator[Result]:
    """The results of `work` on each piece, in order. With each piece comes its size in bytes.

    Pieces are taken from the iterable only as fast as results are taken. An error of `work` is raised in its
    place; what has not begun by then is dropped.
    """
    waiting: deque[tuple[int, Future[Result]]] = deque()
    held = 0
    try:
        for size, piece in pieces:
            waiting.append((size, threads.submit(work, piece)))
            held += size
            while held > _MOST_BYTES:
                done, future = waiting.popleft()
                yield future.result()
                held -= done
        while waiting:
            _, future = waiting.popleft()
            yield future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def batches(items: Iterable[Item], size: Callable[[Item], int]) -> Iterator[tuple[int, list[Item]]]:
    """Small items together as one piece, so that handing them to a thread costs little beside the work."""
    batch: list[Item] = []
    held = 0
    for item in items:
        batch.append(item)
        held += size(item)
        if held >= _BATCH_BYTES or len(batch) >= _BATCH_ITEMS:
            yield held, batch
            batch, held = [], 0
    if batch:
        yield held, batch
