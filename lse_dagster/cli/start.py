"""`lse` alone: in which state this folder is, and the next command."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lse_dagster.cli.environment import load_settings
from lse_dagster.cli.terminal.console import say
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.settings import Settings

_ENV: Final = Path(".env")
_SANDBOX: Final = Path(".demo/sandbox")
_ALL_COMMANDS: Final = "lse --help shows every command."


def show_state() -> None:
    """Print what is here, in a few lines. Nothing is asked over the network, nothing is changed."""
    say(f"LangSmith day archive, in {Path.cwd()}")
    for line in _state():
        say(line)
    say(_ALL_COMMANDS)


def _state() -> Iterator[str]:
    try:
        settings = load_settings()
    except ArchiveError as error:
        yield f"✗ {error.what}: {error.why}"
        yield f"  Next: {error.next_step}"
        return
    if not settings.projects and not _ENV.exists():
        yield "There is no .env here: no account is set up."
        if _SANDBOX.is_dir():
            yield "  lse dev     the sandbox of the demo, in Dagster's UI"
        yield "  lse demo    the whole road on a sandbox: no account, nothing leaves this machine"
        yield "  lse init    set up your accounts"
        return
    projects = ", ".join(repr(name) if "," in name else name for name in settings.projects) or "none yet"
    yield f"Projects: {projects}, on {settings.langsmith.endpoint}"
    if not settings.projects:
        yield "  Next: lse init"
        return
    yield from _archive(settings)


def _archive(settings: "Settings") -> Iterator[str]:
    """What Dagster's records say."""
    import time

    from lse_dagster.cli.health.facts import problems_of
    from lse_dagster.cli.health.here import facts_of_instance
    from lse_dagster.cli.running.instance import dagster_home, open_instance
    from lse_dagster.defs.overview.kept import kept_overviews
    from lse_dagster.defs.overview.words import verdict
    from lse_dagster.run.times import utc_now

    if not dagster_home().is_dir():
        yield "Nothing was archived from here yet."
        all_of_them = " --all-projects" * (len(settings.projects) > 1)
        yield f"  Next: lse archive --date yesterday{all_of_them}"
        return
    with open_instance() as instance:
        found = kept_overviews(instance, settings.projects)
        problems = problems_of(facts_of_instance(instance, settings), time.time())
    looked = {name: one for name, one in found.items() if one is not None}
    if looked:
        said = verdict(found, utc_now())
        yield from (f"{'✓' if said.passed else '✗'} {line}" for line in said.text.splitlines())
    if any(problem.subject == "daemon" for problem in problems):
        yield "! Dagster is not running: nothing is archived by itself."
        yield "  Next: lse dev, or on a server the services of deploy/"
    elif problems:
        yield f"! Nothing is archived by itself: {problems[0].subject}: {problems[0].text}"
        yield f"  Next: {problems[0].next_step}"
    else:
        yield "✓ Days are archived by themselves."
    if not looked:
        yield "  lse status  looks at each day of the month"
