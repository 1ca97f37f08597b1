"""The day folder and the day zip: names, staging, publishing, summary, reading."""
