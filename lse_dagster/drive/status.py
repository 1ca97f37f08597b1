"""Who is signed in, to which folder, and whether uploads would work: `lse auth status` as data.

Looks, changes nothing, and does not raise for what it finds: what is in the way is a part of the answer.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lse_dagster.drive.errors import DriveError, FileMissing, NoStorage, PermissionMissing
from lse_dagster.drive.folder import root_folder
from lse_dagster.drive.folder_url import FolderAddress, parse_folder_url
from lse_dagster.drive.operation import Operation
from lse_dagster.drive.service import Service
from lse_dagster.drive.settings import AuthType, DriveSettings
from lse_dagster.drive.sign_in.credentials import open_account
from lse_dagster.drive.sign_in.token_file import KEY_VARIABLE, TOKEN_VARIABLE, only_writer, write_back
from lse_dagster.net.backoff import IN_PASSING, Backoff
from lse_dagster.net.limiter import RateLimiter

_TIMEOUT = 30.0
_MY_DRIVE = FolderAddress("root")


@dataclass(frozen=True)
class SecretFile:
    """A file with a secret in it. Its content is not looked at here."""

    variable: str
    path: Path
    mode: int | None
    """Permission bits; None if there is no such file."""

    @property
    def readable_by_others(self) -> bool:
        """Whether somebody else on this machine can read it."""
        return self.mode is not None and bool(self.mode & (stat.S_IRGRP | stat.S_IROTH))


@dataclass(frozen=True)
class DriveUser:
    """The account as Drive knows it, and its storage in bytes."""

    email: str
    name: str
    used_bytes: int
    limit_bytes: int | None
    """None: unlimited."""

    @property
    def is_service_account(self) -> bool:
        """Whether this account has no storage of its own, whatever `limit_bytes` says."""
        return self.email.endswith(".gserviceaccount.com")

    @property
    def free_bytes(self) -> int | None:
        """What is left in My Drive; None: unlimited."""
        if self.is_service_account:
            return 0
        return None if self.limit_bytes is None else max(0, self.limit_bytes - self.used_bytes)


@dataclass(frozen=True)
class ArchiveFolder:
    """The folder of GOOGLE_DRIVE_FOLDER_URL."""

    id: str
    name: str
    link: str
    drive_id: str | None
    """The shared drive that it is on; None: somebody's My Drive."""
    drive_name: str | None
    """None too when only the folder is shared with the account, not the drive."""
    writable: bool


@dataclass(frozen=True)
class SignInStatus:
    """All that could be found out before `problem`, if there is one."""

    auth_type: AuthType
    impersonate: str | None
    files: tuple[SecretFile, ...]
    source: str | None = None
    """Where google-auth found the credentials, if it was left to look for them (`adc`)."""
    user: DriveUser | None = None
    folder: ArchiveFolder | None = None
    problem: DriveError | None = None
    """What keeps an upload from working; None: it would work."""


def sign_in_status(
    settings: DriveSettings, *, backoff: Backoff = IN_PASSING, timeout: float = _TIMEOUT
) -> SignInStatus:
    """Ask Drive who we are and what we may do. `timeout`: seconds per request."""
    address, problem = _address(settings.folder_url)
    source: str | None = None
    user: DriveUser | None = None
    folder: ArchiveFolder | None = None
    try:
        with _service(settings, address or _MY_DRIVE, backoff, timeout) as service:
            source = service.account.source
            user = _user(service)
            if address is not None:
                folder = _folder(service, address)
                problem = _in_the_way(user, folder)
    except DriveError as error:
        problem = error
    files = _secret_files(settings)  # now: a refreshed token was written with mode 0600
    return SignInStatus(settings.auth_type, settings.impersonate, files, source, user, folder, problem)


def name_the_token(settings: DriveSettings, *, timeout: float = _TIMEOUT) -> DriveUser:
    """Ask Drive whose the new token is, and note it in the token file for later messages.

    Raises what a first call on Drive can raise; the token stays.
    """
    with _service(settings, _MY_DRIVE, IN_PASSING, timeout) as service:
        user = _user(service)
    if settings.token_path is not None:
        with only_writer(settings.token_path, timeout=timeout) as may_write:
            if may_write:
                write_back(settings.token_path, changes={"account": user.email})
    return user


def _address(folder_url: str | None) -> tuple[FolderAddress | None, DriveError | None]:
    try:
        return parse_folder_url(folder_url), None
    except DriveError as error:
        return None, error


@contextmanager
def _service(
    settings: DriveSettings, address: FolderAddress, backoff: Backoff, timeout: float
) -> Iterator[Service]:
    service = Service(
        open_account(settings, timeout=timeout),
        folder=address,
        endpoint=settings.endpoint,
        backoff=backoff,
        timeout=timeout,
        creations=RateLimiter(None),  # nothing is created here
    )
    try:
        yield service
    finally:
        service.close()


class _User(msgspec.Struct, frozen=True, rename="camel"):
    email_address: str = ""
    display_name: str = ""


class _Quota(msgspec.Struct, frozen=True):
    usage: int = 0
    limit: int | None = None


class _About(msgspec.Struct, frozen=True, rename="camel"):
    user: _User
    storage_quota: _Quota = _Quota()


class _Capabilities(msgspec.Struct, frozen=True, rename="camel"):
    can_add_children: bool = False


class _Folder(msgspec.Struct, frozen=True):
    name: str
    capabilities: _Capabilities = _Capabilities()


class _SharedDrive(msgspec.Struct, frozen=True):
    name: str


def _secret_files(settings: DriveSettings) -> tuple[SecretFile, ...]:
    paths = {}
    if settings.auth_type != "adc":
        paths[KEY_VARIABLE] = settings.credentials_path
    if settings.auth_type == "oauth2":
        paths[TOKEN_VARIABLE] = settings.token_path
    return tuple(SecretFile(name, path, _mode(path)) for name, path in paths.items() if path is not None)


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _user(service: Service) -> DriveUser:
    request = service.about.get(fields="user(displayName,emailAddress),storageQuota(limit,usage)")
    found = Operation(service, "Asking Drive who is signed in").call(request, _About)
    return DriveUser(
        email=found.user.email_address,
        name=found.user.display_name,
        used_bytes=found.storage_quota.usage,
        limit_bytes=found.storage_quota.limit,
    )


def _folder(service: Service, address: FolderAddress) -> ArchiveFolder:
    operation = Operation(service, "Opening the Drive folder of GOOGLE_DRIVE_FOLDER_URL")
    root = root_folder(operation, address)
    found = operation.call(
        service.files.get(fileId=root.id, fields="name,capabilities(canAddChildren)", supportsAllDrives=True),
        _Folder,
    )
    return ArchiveFolder(
        id=root.id,
        name=found.name,
        link=root.link,
        drive_id=root.drive_id,
        drive_name=None if root.drive_id is None else _drive_name(service, operation, root.drive_id),
        writable=found.capabilities.can_add_children,
    )


def _drive_name(service: Service, operation: Operation, drive_id: str) -> str | None:
    try:
        return operation.call(
            service.drives.get(driveId=drive_id, fields="name"), _SharedDrive, known=False
        ).name
    except (FileMissing, PermissionMissing):
        return None  # only its members may know


def _in_the_way(user: DriveUser, folder: ArchiveFolder) -> DriveError | None:
    what = f'Checking the Drive folder "{folder.name}"'
    if not folder.writable:
        role = "Editor" if folder.drive_id is None else "Content manager"
        return PermissionMissing(
            what,
            f"{user.email} can see it, but may put nothing into it.",
            f"open {folder.link}, choose Share, and give {user.email} the role {role}",
        )
    if folder.drive_id is not None or user.free_bytes != 0:
        return None  # what lies on a shared drive takes no one's storage
    if user.is_service_account:
        return NoStorage(
            what,
            "The folder is in somebody's My Drive, where what a service account uploads would take its own "
            "storage, and it has none.",
            "put the folder on a shared drive and set GOOGLE_DRIVE_FOLDER_URL to it, or act as a user "
            "(GOOGLE_DRIVE_IMPERSONATE), or sign in as yourself (GOOGLE_DRIVE_AUTH_TYPE=oauth2)",
        )
    return NoStorage(
        what, f"The storage of {user.email} is full.", "free some storage, or use another account"
    )
