"""Talking to LangSmith: transport, the query of one day, totals, feedback."""
