"""Fetching a day from LangSmith: workers, checkpoint, attachments, and the proof that nothing is missing."""
