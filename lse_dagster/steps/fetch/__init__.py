"""Fetching a day from LangSmith: workers, checkpoint, attachments, and the proof that nothing is missing.

The words of the API are in `langsmith`, the files in `day.writing`.
"""
