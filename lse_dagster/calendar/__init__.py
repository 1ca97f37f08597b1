"""Which days there are, and what is known of each: what lies here and on Drive, what was done when."""
