"""What may take a day's place, and what of the day that was there goes on in the new one.

One rule for a fetch, a zip, an upload, a restore and a migration. Where days lie, and moving them into place,
is not decided here.
"""
