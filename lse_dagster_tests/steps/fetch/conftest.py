"""A project on the sandbox's LangSmith and a transport to it, for the tests of this room."""

from lse_dagster_tests.worlds.langsmith import (
    archive,
    connect,
    downloads,
    folder,
    odd,
    project,
    source,
    transport,
    waits,
)

__all__ = ["archive", "connect", "downloads", "folder", "odd", "project", "source", "transport", "waits"]
