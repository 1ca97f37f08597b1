"""The room's door: named files in named folders below one folder of Google Drive.

Each method is one `Operation`. An archive may be used from many threads; it keeps nothing between calls but
connections, the access token and the ids of what it has made (`known_ids.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from lse_dagster.drive.file import DriveFile
from lse_dagster.drive.folder import RootFolder, files_in, folders_named, rename, root_folder
from lse_dagster.drive.folder_url import parse_folder_url
from lse_dagster.drive.holder import Holder, folders_to_write, hold_folders
from lse_dagster.drive.operation import Operation
from lse_dagster.drive.service import Service
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.sign_in.account import Account
from lse_dagster.drive.sign_in.credentials import open_account
from lse_dagster.drive.transfer.conflict import refuse_undecided
from lse_dagster.drive.transfer.download import Downloaded, download
from lse_dagster.drive.transfer.upload import Uploaded, upload
from lse_dagster.drive.transfer.upload_session import OnProgress
from lse_dagster.drive.twins import look, only_file
from lse_dagster.errors import OnRetry, without_a_word
from lse_dagster.net.backoff import Backoff
from lse_dagster.net.limiter import RateLimiter, shared_creations

TIMEOUT = 60.0
_NO_PROPERTIES: Mapping[str, str] = MappingProxyType({})


class DriveArchive:
    """`with DriveArchive.connect(settings) as drive:`. What any method raises is a `DriveError`."""

    def __init__(self, service: Service, root: RootFolder) -> None:
        self._service = service
        self._root = root

    @classmethod
    def connect(
        cls,
        settings: DriveSettings,
        *,
        backoff: Backoff | None = None,
        timeout: float = TIMEOUT,
        creations: RateLimiter | None = None,
        on_retry: OnRetry = without_a_word,
        sign_in: Callable[..., Account] = open_account,
    ) -> Self:
        """Sign in and look at the configured folder.

        `timeout`: seconds without a sign of life after which a request has failed; `creations`: the pace of
        new files, by default the one that all archives of this account in the process share.

        Raises `CredentialsMissing`, `CredentialsInvalid`, `CredentialsRejected`, `ScopeMissing`,
        `FolderUrlInvalid`, `FolderNotReachable`, `NotAFolder`, `FolderTrashed`; a `PassingFault` when Drive
        does not answer.
        """
        address = parse_folder_url(settings.folder_url)
        account = sign_in(settings, timeout=timeout)
        service = Service(
            account,
            folder=address,
            endpoint=settings.endpoint,
            backoff=backoff or Backoff(),
            timeout=timeout,
            creations=creations or shared_creations(settings.endpoint, account.name),
            memory=settings.memory,
            machine=settings.machine,
            on_retry=on_retry,
        )
        try:
            root = root_folder(
                Operation(service, "Opening the Drive folder of GOOGLE_DRIVE_FOLDER_URL"), address
            )
        except BaseException:
            service.close()
            raise
        return cls(service, root)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def folder_link(self) -> str:
        """The address of the configured folder in the browser."""
        return self._root.link

    def find(self, folder: str, name: str) -> DriveFile | None:
        """The live file of exactly this name in the folder, or None.

        Of several with the same content it is the oldest. Raises `TwinFiles` for different ones.
        """
        operation = Operation(self._service, f'Looking for {name} in the Drive folder "{folder}"')
        return only_file(operation, self._root, folders_named(operation, self._root, folder), name)

    def list(self, folder: str) -> Iterator[DriveFile]:
        """All live binary files in the folder, a page at a time, in no order; twins come twice.

        A folder that does not exist has no files.
        """
        operation = Operation(self._service, f'Listing the Drive folder "{folder}"')
        yield from files_in(operation, self._root, folders_named(operation, self._root, folder))

    def hold(self, folder: str) -> tuple[Iterator[DriveFile], Holder | None]:
        """As `list`; and the folder says from now on that this machine archives to it.

        And who did until now and is gone. Raises `HeldByAnother` while another machine does.
        """
        operation = Operation(self._service, f'Archiving to the Drive folder "{folder}"')
        folders, gone = hold_folders(operation, self._root, folder)
        return files_in(operation, self._root, folders), gone

    def expect_ours(self, folder: str) -> None:
        """Raises `HeldByAnother` while another machine archives to the folder."""
        folders_to_write(
            Operation(self._service, f'Archiving to the Drive folder "{folder}"'), self._root, folder
        )

    def upload(
        self,
        path: Path,
        *,
        folder: str,
        name: str,
        replacing: DriveFile | None = None,
        sha256: str | None = None,
        properties: Mapping[str, str] = _NO_PROPERTIES,
        session_path: Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> Uploaded:
        """Put the local file into the folder under this name, and see that Drive stored exactly its bytes.

        Makes the folder if needed. `replacing` is the file with other content that `find` gave: it gets the
        new content, and keeps the old as a revision (30 days). Any other one there is left alone.
        `on_progress(bytes_done, bytes_in_all)`.

        `sha256`: the hash of the content that was meant; before a byte leaves, another one is refused as
        `LocalFileChanged`. `properties` are kept with the file as its `app_properties`.

        `session_path`: where the upload session is kept (mode 0600: it holds a secret) until the upload is
        done. A later call with the same file and place, in any process, goes on where this one was stopped;
        of two calls with one place at once the second is refused. Without it a stopped upload starts again.

        Raises `HeldByAnother`, `TwinFiles`, `UploadCorrupted` (a new bad file is in the trash by then; of an
        old file the revision before is named), `FileTrashed`, `FileMoved`, `FileReplaced` (what is there is
        not `replacing`; or another writer's content was replaced at the same moment: its revision is named),
        `UploadInProgress`, `LocalFileChanged`, `LocalFileUnreadable`, `NoStorage`, `PermissionMissing`,
        `FolderFull`, `DailyLimitReached`; a `PassingFault` when all tries failed.
        """
        return upload(
            Operation(self._service, f'Uploading {name} to the Drive folder "{folder}"'),
            self._root,
            path,
            folder=folder,
            name=name,
            replacing=replacing,
            sha256=sha256,
            properties=properties,
            session_path=session_path,
            on_progress=on_progress,
        )

    def set_aside(self, file: DriveFile) -> str:
        """Give a file another name, so that it is no copy of a day any more; that name.

        Raises `FileReplaced` (it has other content by now), `FileMissing`, `PermissionMissing`; a
        `PassingFault` when all tries failed.
        """
        operation = Operation(self._service, f"Setting {file.name} on Drive aside")
        refuse_undecided(operation, look(operation, file.id), file)
        stem, dot, suffix = file.name.rpartition(".")
        return rename(operation, file.id, f"{stem}.damaged{dot}{suffix}")

    def download(
        self,
        file: DriveFile,
        to: Path,
        *,
        here: Iterable[Path] = (),
        on_progress: OnProgress | None = None,
    ) -> Downloaded:
        """Fetch exactly the content that `file` describes and put it at `to` in one step, over what is there.

        `here`: files of this machine that may be that content already; the first that is, by size and
        checksum as Drive tells them now, is copied, and nothing is fetched.

        Makes the directory of `to` if needed. Not flushed: after a loss of power the file may be broken.

        Raises `FileReplaced`, `FileMissing`, `DownloadCorrupted`,
        `DownloadInProgress`, `LocalFileUnwritable`; a `PassingFault` when all tries failed. After an error
        `to` is as it was.
        """
        operation = Operation(self._service, f"Downloading {file.name} from Drive")
        return download(operation, file, to, here=here, on_progress=on_progress)
