"""What is done with a day: the verbs, each of which joins the rooms of the nouns.

No Dagster here, and nothing that a single noun can do by itself.
"""
