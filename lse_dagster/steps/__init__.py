"""What is done with a day: the verbs, which alone join the rooms of the nouns. No Dagster here."""
