"""Bytes to Drive and back: resumable uploads, verified downloads, and who works on the same file."""
