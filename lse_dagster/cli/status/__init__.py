"""`lse status`: where each day lies and what it needs.

What it needs is decided in `calendar`.
"""
