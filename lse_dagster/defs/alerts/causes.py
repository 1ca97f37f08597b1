"""What causes a failure, by the error's type: those that every project and day has at once, and their ends.

People are told of a cause once (`ledger`), so two failures of one cause must have one name.
"""

from collections.abc import Mapping
from typing import Final

from lse_dagster.day.errors import DiskError
from lse_dagster.day.space import DiskFillsUp, NoRoom
from lse_dagster.drive import errors as drive
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith import errors as langsmith
from lse_dagster.langsmith.clock import WrongClock
from lse_dagster.settings import ImpossibleProject, InvalidSetting, MissingSetting

_ANSWERS: Final = "LangSmith answers again."
_TAKES_THE_KEY: Final = "LangSmith takes the key again."
_REACHED: Final = "LangSmith can be reached again."
_SIGNED_IN: Final = "Signing in to Drive works again."
_FOLDER: Final = "The folder on Drive can be used again."

_OF_ALL: Final[Mapping[type[ArchiveError], str]] = {
    langsmith.MissingApiKey: _TAKES_THE_KEY,
    langsmith.UnusableCredential: _TAKES_THE_KEY,
    langsmith.Unauthorized: _TAKES_THE_KEY,
    langsmith.UnusableAddress: _REACHED,
    langsmith.CertificateRefused: _REACHED,
    langsmith.Unavailable: _ANSWERS,
    WrongClock: "The machine's clock is right again.",
    drive.CredentialsMissing: _SIGNED_IN,
    drive.CredentialsInvalid: _SIGNED_IN,
    drive.CredentialsRejected: _SIGNED_IN,
    drive.ScopeMissing: _SIGNED_IN,
    drive.ApiDisabled: _SIGNED_IN,
    drive.CertificateRefused: "Drive can be reached again.",
    drive.FolderUrlInvalid: _FOLDER,
    drive.NotAFolder: _FOLDER,
    drive.FolderTrashed: _FOLDER,
    drive.FolderNotReachable: _FOLDER,
    drive.PermissionMissing: _FOLDER,
    drive.FolderFull: _FOLDER,
    drive.HeldByAnother: "This machine archives to the folder on Drive again.",
    drive.TakenOver: "This machine archives there from now on.",
    drive.NoStorage: "Drive takes uploads again.",
    drive.DailyLimitReached: "Drive takes uploads again.",
    drive.PassingFault: "Drive answers again.",
    DiskFillsUp: "The disk has room for some days again.",
    NoRoom: "The disk has room again.",
    DiskError: "The disk works again.",
}
"""The errors of which one is everybody's, and what is told when that is over."""
_BY_WHAT: Final = (ArchiveError, InvalidSetting, MissingSetting, ImpossibleProject)
"""The errors whose `what` names the one thing that they concern, and no day."""

_OVER: Final = {f"{cls.__module__.split('.')[1]}.{cls.__name__}": over for cls, over in _OF_ALL.items()} | {
    "defs.LateDays": "All days that were late are on Drive."  # found above this room
}


def cause_of(error: ArchiveError) -> str:
    """The name of an error's cause, which goes into the records of Dagster."""
    if type(error) in _BY_WHAT:
        return error.what
    known = next((cls for cls in type(error).__mro__ if cls in _OF_ALL), type(error))
    return f"{known.__module__.split('.')[1]}.{known.__name__}"


def cause_of_class(path: str) -> str | None:
    """The same of an error by the path of its class, if it is everybody's."""
    parts = path.split(".")
    name = ".".join((*parts[1:2], *parts[-1:]))
    return name if parts[0] == __name__.partition(".")[0] and name in _OVER else None


def is_of_all(cause: str) -> bool:
    """Whether all projects have it at once. A `what` is a sentence, with spaces."""
    return " " in cause or cause in _OVER


def over(cause: str) -> str:
    """What is told when it is over."""
    return _OVER.get(cause, "It works again.")
