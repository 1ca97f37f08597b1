"""The way back from Drive, as Dagster goes it: the step of a day, its checks, and what is not there."""
