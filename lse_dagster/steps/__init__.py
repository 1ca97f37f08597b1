"""What is done with a day: the verbs, which alone join the rooms of the nouns.

No Dagster and no HTTP; of file formats only the checkpoint of a fetch, and what the first system left.
"""
