"""`lse status`: where each day lies and what it needs."""
