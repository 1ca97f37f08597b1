"""Signing in to Google: whose token goes with a request, where it is kept, and the consent in the browser.

No files of Drive here.
"""
