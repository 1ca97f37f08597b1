"""Uploads to the sandbox's Drive: media, multipart and resumable."""
