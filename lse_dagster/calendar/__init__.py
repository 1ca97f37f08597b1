"""Which days there are, and what is known of each: what lies here and on Drive, what was done when.

What each then needs is decided here alone (`rules.py`); that it is asked for, in `defs.upkeep`.
"""
