"""`lse archive`: fetch, zip, upload and restore days in the terminal, by the assets that the UI runs."""

from lse_dagster.cli.archive.commands import archive

__all__ = ["archive"]
