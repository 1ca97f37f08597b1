"""Talking to Google Drive: credentials, folders, upload, download."""
