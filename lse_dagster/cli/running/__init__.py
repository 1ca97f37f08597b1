"""Running Dagster's jobs in this process: the instance, the runner, and its events for a display.

What is shown of them, each command decides.
"""
