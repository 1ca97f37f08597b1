"""`archive_overview`: the one asset that says how the archive of all projects stands, and its check.

What is judged is in `calendar.overview`; here are its words, and the events by which Dagster shows it.
"""
