"""What the doctor looks at on this machine: `.env`, directories and disk, Python and its packages."""

import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lse_dagster.cli.doctor.finding import Finding, good, problem, warning

if TYPE_CHECKING:
    from lse_dagster.settings import Settings

_DISTRIBUTION: Final = "lse-dagster"
_SHOWN: Final = ("dagster", "dagster-webserver", "google-api-python-client", "google-auth", "msgspec")
_LITTLE_SPACE: Final = 5_000_000_000
_NO_SPACE: Final = 200_000_000


def check_env_file(path: Path) -> Finding:
    """Whether there is a `.env` of which each line can be read, for its owner's eyes only."""
    from dotenv.parser import parse_stream

    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return warning(".env", f"There is none in {path.parent}.", "Run lse init, or set the variables.")
    broken: list[str] = []
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:  # told by who reads it
        broken += [str(one.original.line) for one in parse_stream(file) if one.error]
    if broken:
        text = f"{path}: what begins in line {', '.join(broken)} cannot be read; it counts as not set."
        return problem(".env", text, "Write NAME=value, and close each quotation mark.")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warning(
            ".env", f"{path} (mode {mode:04o}) can be read by others; it holds the key.", f"chmod 600 {path}"
        )
    return good(".env", f"{path} (mode {mode:04o})")


def check_certificates() -> Finding:
    """Whose certificates every client trusts, and whether that file can be used."""
    from lse_dagster.net.certificates import CertificateError, ca_bundle

    bundle = ca_bundle()
    if bundle is None:
        text = "the authorities that certifi brings; REQUESTS_CA_BUNDLE or SSL_CERT_FILE would name others"
        return good("certificates", text)
    try:
        count = bundle.count()
    except CertificateError as error:
        return problem("certificates", error.why, error.next_step)
    return good("certificates", str(bundle) if count is None else f"{bundle} ({count:,} in it)")


def check_directories(settings: "Settings") -> list[Finding]:
    """Whether day folders and zips can be written, and how much space is left."""
    return [
        check_directory("data directory", settings.data_dir.absolute(), "LSE_DATA_DIR"),
        check_directory("archives directory", settings.archives_dir.absolute(), "LSE_ARCHIVES_DIR"),
    ]


def check_retention(settings: "Settings") -> list[Finding]:
    """Whether LangSmith can keep traces for as long as it is said to."""
    from lse_dagster.langsmith.access import CLOUD_KEEPS_DAYS, is_cloud

    days = settings.reconciliation.retention_days
    if days <= CLOUD_KEEPS_DAYS or not is_cloud(settings.langsmith.endpoint):
        return []
    text = (
        f"LSE_RETENTION_DAYS={days}: LangSmith's cloud has kept no trace longer than {CLOUD_KEEPS_DAYS} days "
        "since September 2026. A day that it has forgotten passes for whole."
    )
    next_step = f"Put LSE_RETENTION_DAYS=14, or {CLOUD_KEEPS_DAYS} for extended retention, into .env."
    return [warning("retention", text, next_step)]


def check_packages() -> Finding:
    """Whether the packages are there in the versions that this project asks for."""
    shown = [f"{name} {metadata.version(name)}" for name in (_DISTRIBUTION, *_SHOWN)]
    wrong = list(_unmet_requirements())
    # Each webserver asks for its own version of dagster.
    if metadata.version("dagster") != metadata.version("dagster-webserver"):
        wrong.append("dagster and dagster-webserver are of different versions")
    text = f"Python {_python_version()}, {', '.join(shown)}"
    if wrong:
        return problem("packages", f"{'; '.join(wrong)}.", "pip install -e . --constraint constraints.txt")
    return good("packages", text)


def check_directory(subject: str, path: Path, variable: str) -> Finding:
    """Whether a directory can be written, or made, and how much space is left."""
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    next_step = f"Make it writable for you, or set {variable} in .env to another directory."
    if not existing.is_dir():
        return problem(subject, f"{existing} is not a directory.", next_step)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return problem(subject, f"{existing} cannot be written: {error.strerror}.", next_step)
    free = shutil.disk_usage(existing).free
    text = f"{path}, {free / 1e9:,.1f} GB free" + ("" if path.exists() else ", will be made")
    if free < _NO_SPACE:
        return problem(subject, text, f"Free some space, or set {variable} in .env to another disk.")
    if free < _LITTLE_SPACE:
        return warning(
            subject, text, "Free some space; the job free_disk removes days that Drive holds verified."
        )
    return good(subject, text)


def _unmet_requirements() -> Iterator[str]:
    from packaging.requirements import Requirement

    for text in metadata.requires(_DISTRIBUTION) or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield f"{requirement.name} is not installed"
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield f"{requirement.name} is {version}, not {requirement.specifier}"


def _python_version() -> str:
    import platform

    return platform.python_version()
