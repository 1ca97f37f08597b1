"""The words for what a step did, the same in bars and in plain lines."""

from contextlib import suppress
from pathlib import Path

from lse_dagster.cli.running.outcome import CheckOutcome, DayOutcome, Metadata, StepOutcome
from lse_dagster.cli.terminal.group import verbose_wanted

RETENTION = "langsmith_still_had_the_day"
STYLES = {"✓": "green", "!": "yellow", "✗": "red"}
"""The colours of the marks."""

_NOUNS = {"runs": "runs", "feedback": "feedback records", "attachments": "attachments"}


def describe_step(outcome: StepOutcome) -> str:
    """One line about a step that was done, from the metadata that Dagster keeps."""
    metadata = outcome.metadata
    match outcome.step:
        case "fetch":
            words = _day_words(metadata)
        case "restore":
            words = _day_words(metadata)
            if metadata.get("bytes_received") == 0:
                words.append("from the zip here, the same as on Drive")
        case "zip":
            words = [_zip_words(metadata)]
        case "upload":
            words = [_upload_words(metadata)]
    return ", ".join([*words, f"{_number(metadata, 'seconds'):,.1f} s"])


def place_of(outcome: StepOutcome) -> str:
    """Where the result lies: a link, or a path."""
    path = outcome.metadata.get("path")
    return str(outcome.metadata.get("drive_link") or "") if path is None else short_path(Path(str(path)))


def short_path(path: Path) -> str:
    """A path as a person would type it here."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def describe_day(outcome: DayOutcome) -> str:
    """One short line about a whole day."""
    words = [_in_short(done) for done in outcome.steps]
    if outcome.checks:
        words.append(describe_checks(outcome))
    words.append(f"{sum(_number(done.metadata, 'seconds') for done in outcome.steps):,.1f} s")
    return ", ".join(words)


def sign_of(outcome: DayOutcome) -> str:
    """✓ or ✗ for a day, or ! where nothing proves that it is whole: some of it may be forgotten."""
    if outcome.error is not None:
        return "✗"
    return "✓" if all(check.passed for check in outcome.checks if check.name == RETENTION) else "!"


def describe_checks(outcome: DayOutcome) -> str:
    """How many checks passed; what the others say stands in lines of its own."""
    return f"{outcome.passed_checks} of {len(outcome.checks)} checks passed"


def is_worth_a_line(check: CheckOutcome) -> bool:
    """Whether it says more than that all is well, or everything was asked for."""
    return not check.passed or verbose_wanted()


def mark(check: CheckOutcome) -> str:
    """✓ or ✗, or ! for a warning."""
    return "✓" if check.passed else "!" if check.warning else "✗"


def megabytes(size: float) -> str:
    """A size in the unit that people compare."""
    if size < 1_000_000:
        return f"{size / 1e3:,.1f} kB"
    return f"{size / 1e6:,.1f} MB"


def _in_short(outcome: StepOutcome) -> str:
    match outcome.step:
        case "fetch" | "restore":
            return f"{_count(outcome.metadata, 'runs')} runs in {_count(outcome.metadata, 'traces')} traces"
        case "zip":
            return f"zip {_size(outcome.metadata, 'bytes')}"
        case "upload":
            return f"{outcome.metadata.get('action')} on Drive"


def _day_words(metadata: Metadata) -> list[str]:
    words = [
        f"{_count(metadata, 'runs')} runs in {_count(metadata, 'traces')} traces",
        _size(metadata, "bytes"),
    ]
    if metadata.get("resumed_runs"):
        words.append(f"{_count(metadata, 'resumed_runs')} of them from an interrupted fetch")
    if metadata.get("action") == "kept":
        words.append("the same as before, kept")
    if metadata.get("runs_added"):
        words.append(f"{_count(metadata, 'runs_added')} more than before")
    if metadata.get("runs_changed"):
        words.append(f"{_count(metadata, 'runs_changed')} changed")
    kept = [name for name in ("runs", "feedback", "attachments") if metadata.get(f"{name}_kept")]
    if kept:
        counts = " and ".join(f"{_count(metadata, f'{name}_kept')} {_NOUNS[name]}" for name in kept)
        words.append(f"{counts} kept that LangSmith sends no more")
    if metadata.get("runs_lost"):
        words.append(f"{_count(metadata, 'runs_lost')} given up")
    if metadata.get("missing_attachments"):
        words.append(f"{_count(metadata, 'missing_attachments')} attachments could not be had")
    if metadata.get("unverified"):
        words.append("unverified")
    return words


def _zip_words(metadata: Metadata) -> str:
    size = f"{_count(metadata, 'files')} files, {_size(metadata, 'bytes')}"
    return f"kept as it holds the day already, {size}" if metadata.get("action") == "kept" else size


def _upload_words(metadata: Metadata) -> str:
    if metadata.get("action") == "unchanged":
        return "the same zip is on Drive already, nothing sent"
    return f"{metadata.get('action')} on Drive and verified, {_size(metadata, 'bytes_sent')} sent"


def _size(metadata: Metadata, name: str) -> str:
    return megabytes(_number(metadata, name))


def _count(metadata: Metadata, name: str) -> str:
    return f"{int(_number(metadata, name)):,}"


def _number(metadata: Metadata, name: str) -> float:
    value = metadata.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
