"""`lse auth`: signing in to Google Drive, and who is signed in.

The sign-in itself is `drive.sign_in`.
"""
