"""What a run is, read from its bytes: identity, times, feedback, what it names and does not hold.

No files and no network. How a day of them is kept is in `day`.
"""
