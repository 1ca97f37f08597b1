"""What all commands share of the terminal: console, errors, options, dates, signals.

Nothing of what they do.
"""
