"""`lse auth`: signing in to Google Drive, and who is signed in."""
