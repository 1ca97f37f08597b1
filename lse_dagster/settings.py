"""The environment as typed settings: what every `LSE_`, LangSmith's and Drive's variable means.

What is Dagster's (where its home and its code server are) is read in `cli.running.instance`.

Nothing here fails for what is missing: definitions must load without any variable. The step that needs a
missing one raises `MissingSetting` with its name and how to get it. A value that is there but wrong fails a
command at once; a code location loads all the same, so that somebody can be told (`as_far_as_right`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self, get_args

import msgspec

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.zip.writer import DEFAULT_LEVEL
from lse_dagster.drive.settings import AuthType, DriveSettings
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import DEFAULT_ENDPOINT, LangSmithSettings, without_user
from lse_dagster.langsmith.attachment_hosts import AttachmentHosts, NotAHost
from lse_dagster.net.addresses import is_web_address
from lse_dagster.net.limiter import RatesName
from lse_dagster.run.times import InvalidDate, parse_date

Schedules = Literal["on", "nightly", "off"]

_DEFAULT_START = date(2025, 1, 1)
_DEFAULT_RULE = Rule()
_ONLY_TELL = frozenset(
    {
        "LSE_HEARTBEAT",
        "LSE_WEBHOOK_URL",
        "LSE_PING_URL",
        "LSE_DAGSTER_URL",
        "LSE_OWNERS",
        "LSE_STORAGE_USD_PER_GB_MONTH",
    }
)
"""Variables that no step works by: days are archived while one of them is wrong."""
_OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


class InvalidSetting(ArchiveError):
    """A variable has a value that cannot be used."""

    def __init__(self, name: str, why: str, example: str) -> None:
        super().__init__(f"Reading {name} from the environment", why, f"Set it like this: {name}={example}")
        self.name = name


class MissingSetting(ArchiveError):
    """A variable that this step needs is not set."""

    def __init__(self, name: str, how_to_get_it: str) -> None:
        super().__init__(f"Reading {name} from the environment", f"{name} is not set.", how_to_get_it)


def no_project() -> MissingSetting:
    """LSE_PROJECTS is not set."""
    next_step = (
        "Put the name of your LangSmith project into .env: LSE_PROJECTS=my-project. "
        "A command takes it with --project, too."
    )
    return MissingSetting("LSE_PROJECTS", next_step)


class ImpossibleProject(ArchiveError):
    """A name that no project of LangSmith can have: it is left out, the other projects are archived."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"Defining the project {name!r}",
            why,
            "Correct LSE_PROJECTS, then restart the code server. The other projects are archived meanwhile.",
        )
        self.name = name


@dataclass(frozen=True)
class Settings:
    """Every variable of `.env.example`. Secrets stay out of `repr`."""

    langsmith: LangSmithSettings = field(default_factory=LangSmithSettings)
    projects: tuple[str, ...] = ()
    start_date: date = _DEFAULT_START
    data_dir: Path = Path("data")
    archives_dir: Path = Path("archives")
    dagster_home: Path | None = None
    zip_level: int = DEFAULT_LEVEL
    drive: DriveSettings = field(default_factory=DriveSettings)
    schedules: Schedules = "off"
    schedule_hour_utc: int = 3
    reconciliation: Rule = _DEFAULT_RULE
    keep_local_days: int | None = None
    webhook_url: str | None = field(default=None, repr=False)
    dagster_url: str | None = None
    ping_url: str | None = field(default=None, repr=False)
    owners: tuple[str, ...] = ()
    heartbeat: bool = False
    """Whether a line a day says that all is well."""
    storage_price: float | None = None
    """Of a GB (10^9 bytes) on Drive, a month, in USD."""
    invalid: tuple[InvalidSetting, ...] = ()
    """What is wrong and was left out."""

    def __post_init__(self) -> None:
        """What is to be known of Drive lies with the zips, for all who share them, and in Dagster's home."""
        homes = (self.archives_dir, *([self.dagster_home] if self.dagster_home is not None else []))
        files = tuple(home / ".machine" for home in homes)
        drive = replace(self.drive, memory=self.archives_dir / ".drive", machine_files=files)
        object.__setattr__(self, "drive", drive)

    @classmethod
    def as_far_as_right(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; one that is wrong counts as not set, and is in `invalid`.

        A wrong LSE_SCHEDULES counts as `on`: sensors that are off could tell nobody. Raises nothing.
        """
        wrong: list[InvalidSetting] = []
        while True:
            left_out = {error.name: "on" if error.name == "LSE_SCHEDULES" else "" for error in wrong}
            try:
                return replace(cls.from_environment({**environment, **left_out}), invalid=tuple(wrong))
            except InvalidSetting as error:
                wrong.append(error)

    @property
    def in_the_way(self) -> InvalidSetting | None:
        """What is wrong that a step would work by: none is taken before it is right."""
        return next((error for error in self.invalid if error.name not in _ONLY_TELL), None)

    def idle(self, today: date) -> ArchiveError | None:
        """Why nothing is archived, though all else looks well: no project, or it begins in the future."""
        if not self.projects:
            return no_project()
        if self.start_date <= today:
            return None
        return ArchiveError(
            "Looking at LSE_START_DATE",
            f"It is {self.start_date}: until then no day is archived.",
            "If that is not meant, set it to the oldest day that LangSmith still has, "
            "then restart the code server.",
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; an empty one counts as not set. Raises `InvalidSetting`."""

        def text(name: str) -> str | None:
            return environment.get(name, "").strip() or None

        def path(name: str) -> Path | None:
            value = text(name)
            try:
                return Path(value).expanduser() if value else None
            except RuntimeError:  # of `~`, where nobody knows whose home that is
                why = f"{value!r} begins with a home folder that is not known."
                raise InvalidSetting(name, why, "/home/me/...") from None

        def one_of(name: str, words: Any, default: Any) -> Any:
            """One of the words of a `Literal`; the first is the example."""
            value = text(name) or default
            if value not in get_args(words):
                *others, last = (f"`{word}`" for word in get_args(words))
                why = f"{value!r} is not {', '.join(others)} or {last}."
                raise InvalidSetting(name, why, get_args(words)[0])
            return value

        return cls(
            langsmith=LangSmithSettings(
                api_key=text("LANGSMITH_API_KEY") or "",
                endpoint=without_user(text("LANGSMITH_ENDPOINT") or DEFAULT_ENDPOINT),
                workspace_id=text("LANGSMITH_WORKSPACE_ID"),
                rates=one_of("LSE_LANGSMITH_RATES", RatesName, "us"),
                attachment_hosts=_attachment_hosts(text("LSE_ATTACHMENT_HOSTS")),
            ),
            projects=_projects(text("LSE_PROJECTS")),
            start_date=_start_date(text("LSE_START_DATE")),
            data_dir=path("LSE_DATA_DIR") or Path("data"),
            archives_dir=path("LSE_ARCHIVES_DIR") or Path("archives"),
            dagster_home=path("DAGSTER_HOME"),
            zip_level=_whole_number("LSE_ZIP_LEVEL", text("LSE_ZIP_LEVEL"), 1, 9, DEFAULT_LEVEL),
            drive=DriveSettings(
                folder_url=text("GOOGLE_DRIVE_FOLDER_URL"),
                auth_type=one_of("GOOGLE_DRIVE_AUTH_TYPE", AuthType, "service_account"),
                credentials_path=path("GOOGLE_DRIVE_CREDENTIALS_PATH"),
                token_path=path("GOOGLE_DRIVE_TOKEN_PATH"),
                impersonate=text("GOOGLE_DRIVE_IMPERSONATE"),
                endpoint=text("GOOGLE_DRIVE_ENDPOINT"),
            ),
            schedules=one_of("LSE_SCHEDULES", Schedules, "off"),
            schedule_hour_utc=_whole_number("LSE_SCHEDULE_HOUR_UTC", text("LSE_SCHEDULE_HOUR_UTC"), 0, 23, 3),
            reconciliation=_rule(text("LSE_RECONCILE_AFTER_DAYS"), text("LSE_RETENTION_DAYS")),
            keep_local_days=_keep_local_days(text("LSE_KEEP_LOCAL_DAYS")),
            webhook_url=_web_address("LSE_WEBHOOK_URL", text("LSE_WEBHOOK_URL")),
            dagster_url=_web_address("LSE_DAGSTER_URL", text("LSE_DAGSTER_URL")),
            ping_url=_web_address("LSE_PING_URL", text("LSE_PING_URL")),
            owners=_owners(text("LSE_OWNERS")),
            heartbeat=_heartbeat(text("LSE_HEARTBEAT"), text("LSE_WEBHOOK_URL")),
            storage_price=_price(text("LSE_STORAGE_USD_PER_GB_MONTH")),
        )

    def impossible_projects(self) -> list[ImpossibleProject]:
        """The names in `projects` that are left out, and why."""
        whys = {name: why_no_project(name) for name in self.projects}
        return [ImpossibleProject(name, why) for name, why in whys.items() if why]


def why_no_project(name: str) -> str | None:
    """Why no project can have a name, that Dagster's databases and its UI could not hold either; or None."""
    if not name:
        return "The name is empty."
    if "\0" in name:
        return "The name holds a NUL character."
    try:
        name.encode()
    except UnicodeEncodeError:
        return "The name is no valid UTF-8."
    return None


def _projects(value: str | None) -> tuple[str, ...]:
    """A comma-separated list, or a JSON list for names that hold commas."""
    if value is None:
        return ()
    example = '\'["my-project", "a, b"]\''
    if value.startswith("["):
        try:
            names = msgspec.json.decode(value, type=list[str])
        except msgspec.MsgspecError as error:
            raise InvalidSetting(
                "LSE_PROJECTS", f"It is not a JSON list of names: {error}.", example
            ) from None
    else:
        names = [name.strip() for name in value.split(",") if name.strip()]
    if "" in names or len(set(names)) != len(names):
        raise InvalidSetting("LSE_PROJECTS", "It holds an empty name or a name twice.", example)
    return tuple(names)


def _start_date(value: str | None) -> date:
    if value is None:
        return _DEFAULT_START
    try:
        return parse_date(value)
    except InvalidDate as error:
        raise InvalidSetting("LSE_START_DATE", error.why, "2025-08-01") from None


def _whole_number(name: str, value: str | None, least: int, most: int, default: int) -> int:
    if value is None:
        return default
    is_short = len(value) <= len(str(most))  # Python refuses to read thousands of digits
    if not (is_short and value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise InvalidSetting(name, f"{value!r} is not a whole number from {least} to {most}.", str(default))
    return int(value)


def _heartbeat(value: str | None, webhook: str | None) -> bool:
    if value not in (None, "on", "off"):
        raise InvalidSetting("LSE_HEARTBEAT", f"{value!r} is not `on` or `off`.", "on")
    if value == "on" and webhook is None:
        raise InvalidSetting("LSE_HEARTBEAT", "There is no LSE_WEBHOOK_URL to send it to.", "off")
    return value == "on"


def _price(value: str | None) -> float | None:
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value):
        why = f"{value!r} is no amount of US dollars."
        raise InvalidSetting("LSE_STORAGE_USD_PER_GB_MONTH", why, "0.02")
    return float(value)


def _keep_local_days(value: str | None) -> int | None:
    return None if value is None else _whole_number("LSE_KEEP_LOCAL_DAYS", value, 1, 100_000, 30)


def _rule(after_days: str | None, retention_days: str | None) -> Rule:
    """When days are counted again, and how long LangSmith keeps them."""
    name, default = "LSE_RECONCILE_AFTER_DAYS", _DEFAULT_RULE
    retention = _whole_number("LSE_RETENTION_DAYS", retention_days, 2, 100_000, default.retention_days)
    if after_days is None:
        after = tuple(days for days in default.after_days if days < retention) or (retention - 1,)
    else:
        after = tuple(
            sorted({_whole_number(name, days.strip(), 1, 100_000, 2) for days in after_days.split(",")})
        )
    if not after or after[-1] >= retention:
        why = f"{after_days!r} names no day, or one after which LangSmith has nothing ({retention} days)."
        raise InvalidSetting(name, why, "2,12")
    return Rule(after, retention)


def _web_address(name: str, value: str | None) -> str | None:
    """An address that may hold a secret: an error does not repeat it."""
    if value is not None and not is_web_address(value):
        raise InvalidSetting(name, "It is not https:// (or http://) and a host.", "https://...")
    return value.rstrip("/") if value is not None else None


def _owners(value: str | None) -> tuple[str, ...]:
    """As Dagster takes them: it would refuse all definitions for one that is wrong."""
    owners = tuple(owner.strip() for owner in (value or "").split(",") if owner.strip())
    for owner in owners:
        if not _OWNER.fullmatch(owner):
            why = f"{owner!r} is neither an email address nor `team:` and a name."
            raise InvalidSetting("LSE_OWNERS", why, "jane@example.com,team:data")
    return owners


def _attachment_hosts(value: str | None) -> tuple[str, ...]:
    """Names, suffixes and networks, as they were written."""
    entries = tuple(entry.strip() for entry in (value or "").split(",") if entry.strip())
    try:
        AttachmentHosts.of("", entries)
    except NotAHost as error:
        example = "minio,.svc.cluster.local,10.20.0.0/16"
        raise InvalidSetting("LSE_ATTACHMENT_HOSTS", f"{error}.", example) from None
    return entries
