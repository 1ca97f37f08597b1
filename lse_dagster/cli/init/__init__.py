"""`lse init`: asks for what `.env` needs and writes it."""
