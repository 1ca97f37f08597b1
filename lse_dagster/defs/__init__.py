"""Dagster's side: assets, checks, IO managers, jobs, resources, and what they record.

Thin over `steps`: what is done with a day is decided there. Wired together in `definitions.py`.
"""
