"""How runs are executed: the launcher, the executor, and telling killed runs from those that wait.

What they do is in the assets and ops.
"""
