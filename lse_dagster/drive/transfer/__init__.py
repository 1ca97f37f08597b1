"""Bytes to Drive and back: resumable uploads, verified downloads, and who works on the same file.

Which file that is, and whether it may be replaced, is decided by the caller.
"""
