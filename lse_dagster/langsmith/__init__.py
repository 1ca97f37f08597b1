"""LangSmith's API: transport, fields, queries and counts, pages, feedback, blobs, refusals.

What is done with the answers, and whether a day is complete, is in `steps.fetch`.
"""
