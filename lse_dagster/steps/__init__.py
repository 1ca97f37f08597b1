"""What is done with a day: the verbs, which alone join the rooms of the nouns.

No Dagster, and no HTTP or file format of its own.
"""
