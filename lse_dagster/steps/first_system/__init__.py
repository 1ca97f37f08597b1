"""Bringing over what the first system kept. Nothing else here knows its files and zips."""
