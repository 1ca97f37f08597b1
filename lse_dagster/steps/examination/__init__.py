"""Examining a day that lies here: its files, counts, traces and feedback, and LangSmith's counts."""
