"""Examining a day that lies here: its files, counts, traces and feedback, and LangSmith's counts.

Findings only; nothing is changed, and how Dagster shows them is in `defs`.
"""
