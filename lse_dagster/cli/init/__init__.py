"""`lse init`: asks for what `.env` needs and writes it.

What a setting means is in `settings`.
"""
