"""A day on this disk: its names, folder, summary, staging and publishing.

Where its runs come from and where its copy goes is not known here.
"""
