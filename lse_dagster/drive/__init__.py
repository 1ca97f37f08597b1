"""Talking to Google Drive: credentials, folders, upload, download.

Carries named files into named folders and back, verified; knows nothing of what is in them. The public
surface is what is imported here; errors are in `errors.py`.
"""

from lse_dagster.drive.about import SignInStatus, sign_in_status
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.download import Downloaded
from lse_dagster.drive.file import DriveFile
from lse_dagster.drive.limiter import CreationLimiter
from lse_dagster.drive.retry import Backoff
from lse_dagster.drive.session import Progress
from lse_dagster.drive.settings import AuthType, DriveSettings
from lse_dagster.drive.upload import MayReplace, Uploaded

__all__ = [
    "AuthType",
    "Backoff",
    "CreationLimiter",
    "Downloaded",
    "DriveArchive",
    "DriveFile",
    "DriveSettings",
    "MayReplace",
    "Progress",
    "SignInStatus",
    "Uploaded",
    "sign_in_status",
]
