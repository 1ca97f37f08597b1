"""LangSmith and Google Drive on loopback, for the demo and the tests."""
