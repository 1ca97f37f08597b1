"""Google Drive: carries named files into named folders and back, verified.

Knows nothing of what is in them. The door is `archive.py`.
"""
