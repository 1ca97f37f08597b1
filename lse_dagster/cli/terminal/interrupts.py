"""SIGINT and SIGTERM: both end a command in order, and none gets lost on the way.

Dagster takes the handlers over while it runs steps. It holds an interrupt back between them, and forgets one
that comes after the last.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ENDING = (signal.SIGINT, signal.SIGTERM)
_SECONDS_UNTIL_AGAIN = 0.05
_SQLALCHEMYS_POOLS = ("NullPool", "QueuePool", "SingletonThreadPool")


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on both signals, also in a command that a script began with `&`.

    Such a script ignores SIGINT, and Dagster copies the handler of SIGINT to SIGTERM after each run.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for pool in _SQLALCHEMYS_POOLS:
        logging.getLogger(f"sqlalchemy.pool.impl.{pool}").addFilter(_is_no_interrupt)
    restore, previous_hook = raise_at_once(), sys.unraisablehook
    sys.unraisablehook = lambda unraisable: _interrupt_again(unraisable, previous_hook)
    try:
        yield
    finally:
        sys.unraisablehook = previous_hook
        restore()


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    """SQLAlchemy logs whatever comes while it closes a connection, with a traceback, and raises it again."""
    return not (record.exc_info and record.exc_info[0] and not issubclass(record.exc_info[0], Exception))


def _interrupt_again(
    unraisable: "sys.UnraisableHookArgs", otherwise: Callable[["sys.UnraisableHookArgs"], object]
) -> None:
    """Send an interrupt again that came while Python cleaned up an object, where it cannot be raised."""
    if issubclass(unraisable.exc_type, Exception):
        otherwise(unraisable)
    else:
        threading.Timer(_SECONDS_UNTIL_AGAIN, os.kill, (os.getpid(), signal.SIGINT)).start()


def raise_at_once() -> Callable[[], None]:
    """Raise `KeyboardInterrupt` wherever the main thread is, until the function that this returns is called.

    For Dagster's wait for a pool, which holds interrupts back for as long as another run takes.
    """
    previous = {number: signal.signal(number, signal.default_int_handler) for number in _ENDING}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    return restore


@contextmanager
def remembered_interrupts() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether one of the signals came in the block, whoever handled it."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def came() -> bool:
        try:
            return any(number in _ENDING for number in os.read(reading, 4096))
        except BlockingIOError:
            return False

    try:
        yield came
    finally:
        signal.set_wakeup_fd(previous)
        os.close(reading)
        os.close(writing)
