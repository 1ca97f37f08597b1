"""Google Drive v3 and Google's token endpoint on loopback: real bytes on disk, real grants, real refusals.

`google-api-python-client`, `google-auth` and plain HTTP clients work against it unchanged. What it does
differently on demand is in `settings.py`.
"""

from lse_dagster.sandbox.drive.app import create_drive_app
from lse_dagster.sandbox.drive.environment import MY_DRIVE_FOLDER_ID, SHARED_DRIVE_ID, drive_environment
from lse_dagster.sandbox.drive.errors import error_body

__all__ = ["MY_DRIVE_FOLDER_ID", "SHARED_DRIVE_ID", "create_drive_app", "drive_environment", "error_body"]
