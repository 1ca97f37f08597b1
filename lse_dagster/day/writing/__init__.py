"""Writing a day: runs are spooled as they come, indexed, and grouped into the files of their traces.

Putting it in its place is `day.store`.
"""
