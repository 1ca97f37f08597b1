"""The fixtures of this room: a project on the sandbox's LangSmith and a transport to it."""

from lse_dagster_tests.worlds.langsmith import *  # noqa: F403
