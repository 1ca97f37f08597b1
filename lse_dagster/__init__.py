"""The LangSmith day archive on Dagster: every run of every UTC day, counted, zipped, on Drive, and back.

`dagster ... -m lse_dagster` finds `code_location` here. It is made on first use, because `lse --help` imports
this package too and must not pay for importing Dagster.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "code_location":
        from lse_dagster.definitions import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "code_location"]
