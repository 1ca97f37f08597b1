"""LangSmith on loopback: what the public clients send and ask, kept in one SQLite file."""

from lse_dagster.sandbox.langsmith.app import LANGSMITH_LIMITS, create_langsmith_app, langsmith_environment

__all__ = ["LANGSMITH_LIMITS", "create_langsmith_app", "langsmith_environment"]
