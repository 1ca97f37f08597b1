"""Runs, feedback and files on their way into the sandbox's LangSmith."""
