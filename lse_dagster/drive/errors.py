"""Every way in which Drive can refuse, one type per cause.

Only the types live here; `refusal.py` chooses one from an answer of Drive, and the other modules raise the
rest where they notice the cause. No message holds a token, a key or the address of an upload session.
"""

from datetime import datetime

from lse_dagster.errors import ArchiveError


class DriveError(ArchiveError):
    """Anything that went wrong between this room and Google Drive."""


# --- settings and credentials -------------------------------------------------------------------------


class CredentialsMissing(DriveError):
    """A credentials or token file is not configured, not there, or not readable."""


class CredentialsInvalid(DriveError):
    """A credentials or token file is not what its variable promises."""


class CredentialsRejected(DriveError):
    """Google does not accept the credentials: revoked, expired, or deleted."""


class AccessTokenRefused(CredentialsRejected):
    """401: the access token is no longer good; a fresh one may be, so this is final only the second time."""


class ScopeMissing(DriveError):
    """The token is good but was made for less than the whole of Drive."""


class CertificateRefused(DriveError):
    """Whoever answers for Google shows a certificate that is not trusted."""


class ApiDisabled(DriveError):
    """The Google Cloud project of the credentials has the Drive API switched off."""


class SignInFailed(DriveError):
    """`lse auth login` did not get as far as a token. Nothing was stored, nothing was changed."""


class ConsentDenied(SignInFailed):
    """The person said no on Google's consent screen, or their organisation does."""


class ForeignAnswer(SignInFailed):
    """An answer with another `state`: it belongs to another sign-in, or somebody made it up."""


class SignInTimedOut(SignInFailed):
    """Nobody agreed in time."""


class PortInUse(SignInFailed):
    """The port for Google's answer is taken."""


class RefreshTokenMissing(SignInFailed):
    """Google gave access for an hour only, nothing to renew it with."""


class TokenUnwritable(SignInFailed):
    """The place for the token cannot be written, or holds something else."""


# --- folders ------------------------------------------------------------------------------------------


class FolderUrlInvalid(DriveError):
    """The configured folder URL holds no folder id, or is the URL of something else."""


class NotAFolder(DriveError):
    """The configured id is something else than a folder."""


class FolderTrashed(DriveError):
    """The configured folder is in the trash."""


class FolderNotReachable(DriveError):
    """The configured folder does not exist, or these credentials cannot see it."""


# --- files --------------------------------------------------------------------------------------------


class FileMissing(DriveError):
    """A file that was there before is gone from Drive."""


class TwinFiles(DriveError):
    """Two live files claim one name in one folder; only a person can say which one is right."""


class FileTrashed(DriveError):
    """Somebody put the file, or the folder around it, into the trash while it was being uploaded."""

    transient = True


class FileMoved(DriveError):
    """Somebody gave the file another name or folder while it was being uploaded."""

    transient = True


class FileReplaced(DriveError):
    """Somebody put other content into the file on Drive while it was being read or replaced."""


class ListGoesInCircles(DriveError):
    """A list repeats itself or never ends: going on would loop, and use up the quota of other tools."""

    transient = True


class LocalFileUnreadable(DriveError):
    """The file to upload cannot be read."""


class LocalFileUnwritable(DriveError):
    """The place for a download cannot be written."""


class LocalFileChanged(DriveError):
    """The local file changed while it was being uploaded."""


class UploadCorrupted(DriveError):
    """Drive stored something else than what was sent. Sending again may well succeed."""

    transient = True


class UploadInProgress(DriveError):
    """Another process is uploading the same file to the same place now."""

    transient = True


class DownloadCorrupted(DriveError):
    """What arrived is not what Drive says it stored. Fetching again may well succeed."""

    transient = True


class DownloadInProgress(DriveError):
    """Another process is downloading to the same place now."""

    transient = True


# --- Drive's refusals ---------------------------------------------------------------------------------


class NoStorage(DriveError):
    """The account that would own the file has no room for it."""


class PermissionMissing(DriveError):
    """The account may not do this to this file or folder."""


class HeldByAnother(DriveError):
    """Another machine archives to the project's folder, and was seen there lately."""


class TakenOver(DriveError):
    """The machine that archived to a project's folder is gone: this one does from now on. Stops nothing."""

    def __init__(self, project: str, host: str, seen: datetime) -> None:
        super().__init__(
            f"Taking over the Drive folder of {project!r}",
            f"{host} archived there, and was not seen since {seen:%Y-%m-%d %H:%M} UTC.",
            "Nothing, if that machine is gone. If it comes back it is refused: archive on one of the two.",
        )
        self.project = project


class FolderFull(DriveError):
    """The shared drive or the folder has reached Drive's limit of items."""


class RequestRefused(DriveError):
    """Drive refused for a reason that this room does not know."""


class AlreadyExists(RequestRefused):
    """409: the id of a create is taken, by an earlier try of the same create."""


class DailyLimitReached(DriveError):
    """The day's quota is used up (750 GB of uploads per account); tomorrow it works again."""

    transient = True


# --- faults that pass ---------------------------------------------------------------------------------


class PassingFault(DriveError):
    """A fault that is worth another try within seconds; seen by callers only after the tries ran out."""

    transient = True

    def __init__(self, what: str, why: str, next_step: str, *, retry_after: float | None = None) -> None:
        super().__init__(what, why, next_step)
        self.retry_after = retry_after
        """Seconds that the server asked to wait, if it did."""


class RateLimited(PassingFault):
    """Too many requests: 429, or 403 with a rate reason."""


class DriveUnavailable(PassingFault):
    """5xx, a dropped connection, a timeout, or an answer cut short."""


class UploadSessionLost(PassingFault):
    """Drive has forgotten a resumable upload session; the upload starts again with a new one."""
