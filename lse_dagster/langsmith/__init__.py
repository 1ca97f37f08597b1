"""LangSmith's API: transport, access, queries, pages, totals, feedback, blobs.

What is done with the answers, and whether a day is complete, is in `steps.fetch`.
"""
