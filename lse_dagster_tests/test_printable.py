"""Any text in, no control character out: on every road to a terminal, a log, Dagster and the webhook."""

import io
import json
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date
from types import MappingProxyType

import click
import dagster as dg
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from lse_dagster.cli.archive.bars import Bars
from lse_dagster.cli.archive.log_lines import LogLines
from lse_dagster.cli.running.outcome import CheckOutcome, DayPlan
from lse_dagster.cli.terminal.console import say, stderr, stdout
from lse_dagster.cli.terminal.errors import print_error
from lse_dagster.cli.terminal.group import Commands
from lse_dagster.cli.terminal.rich_console import TerminalConsole
from lse_dagster.defs.alerts.webhook import Webhook
from lse_dagster.defs.failure import archive_errors_as_failures
from lse_dagster.errors import ArchiveError, printable
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.examination.verdict import Verdict
from lse_dagster_tests.worlds.day_archive import NOON, DayArchive
from lse_dagster_tests.worlds.webhook_receiver import Receiver

OURS = frozenset("\n\t")
BIDI = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
ATTACKS = ("\x1b[2J", "\x1b]0;pwned\x07", "\x1b]8;;http://evil.example\x1b\\", "\x9b31m", "\u202egpj", "\r")
PIECES = (*ATTACKS, *BIDI, *"a \n\\\x00\x08\x7f\ud800\u2028", "[/]", "[bold]")
anything = st.one_of(
    st.text(st.characters(codec=None), max_size=40), st.lists(st.sampled_from(PIECES)).map("".join)
)
DAY = date(2025, 8, 29)


def steering(text: str) -> set[str]:
    """What no reader should ever be sent."""
    return {
        char
        for char in text
        if char not in OURS and (unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in BIDI)
    }


class Screen(io.StringIO):
    """A terminal that keeps what it is sent."""

    def isatty(self) -> bool:
        return True


def run_command(text: str) -> None:
    """A command that fails, with what was typed in its words."""

    @click.group(cls=Commands)
    def group() -> None: ...

    @group.command()
    def fails() -> None:
        raise click.UsageError(f"{text} is no project")

    @group.command()
    def breaks() -> None:
        raise ValueError(text)

    for command in (["fails"], ["breaks", "--debug"]):
        finished = CliRunner().invoke(group, command)
        say(finished.output)
        assert steering(finished.output) == set()


def print_table(text: str) -> None:
    table = Table(text, "b")
    table.add_row(text, Text(text, "bold"))
    stdout().print(table)


ROADS: dict[str, Callable[[str], object]] = {
    "a document or a line": say,
    "a line on stderr": lambda text: say(text, error=True),
    "Rich": lambda text: stdout().print(text, soft_wrap=True),
    "Rich, marked up": lambda text: stdout().print(f"[bold]{text}[/]"),
    "Rich, raw": lambda text: stdout().out(text),
    "Rich, styled": lambda text: stderr().print(Text.assemble((text, "bold red"), text)),
    "Rich, a table": print_table,
    "an error": lambda text: print_error(ArchiveError(text, text, text)),
    "log lines": lambda text: LogLines(text).warning(text),
    "a failing command": run_command,
}


@pytest.mark.parametrize("road", ROADS)
@settings(max_examples=40)
@given(text=anything)
def test_no_text_steers_the_terminal(road: str, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        streams = [io.StringIO(), io.StringIO()]
        patch.setattr("sys.stdout", streams[0])
        patch.setattr("sys.stderr", streams[1])
        ROADS[road](text)

    assert steering("".join(stream.getvalue() for stream in streams)) == set()


@settings(max_examples=40)
@given(text=anything)
def test_no_text_steers_a_terminal_with_bars_and_colours(text: str) -> None:
    marked = "".join(f"<{char}>" for char in text)  # Rich's own sequences hold no such thing
    screen = Screen()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", screen)
        patch.setenv("TERM", "xterm-256color")
        bars = Bars(marked, [DAY])
        bars.begin_day(DayPlan(DAY, {"fetch": "superset"}))
        bars.begin_step("fetch")
        bars.warning(marked)
        bars.check(CheckOutcome("fetch", marked, True, False, marked, MappingProxyType({})))
        bars.close()
        with Progress(TextColumn("{task.description}"), console=stdout()) as progress:
            progress.add_task(marked)

    sent = screen.getvalue()
    assert "\x1b[" in sent
    assert not [char for char in steering(text) if f"<{char}>" in sent]


@given(text=anything)
def test_what_is_shown_can_be_read_back(text: str) -> None:
    shown = printable(text)

    assert steering(shown) == set()
    assert printable(shown) == shown
    assert shown == text or steering(text)
    assert json.loads(printable(json.dumps({"text": text}, ensure_ascii=False))) == {"text": text}


@given(text=anything)
def test_no_text_reaches_dagster_with_control_characters(text: str) -> None:
    with pytest.raises(dg.Failure) as caught, archive_errors_as_failures():
        raise ArchiveError(text, text, text)

    failure = caught.value
    told = [str(failure.description), *(str(value.value) for value in failure.metadata.values())]
    cause = failure.__cause__
    told += [str(cause), repr(cause), Verdict(False, text).why]
    assert steering("".join(told)) == set()


@pytest.fixture
def webhook(receiver: Receiver) -> Iterator[tuple[Webhook, Receiver]]:
    yield Webhook(receiver.url), receiver


@settings(max_examples=50)
@given(text=st.one_of(anything, st.text("<>!&;|@#channelhttp:/. \x1b\u202e")))
def test_no_message_steers_slack(webhook: tuple[Webhook, Receiver], text: str) -> None:
    hook, receiver = webhook
    hook.send(text)

    (sent,) = receiver.texts
    receiver.texts.clear()
    assert steering(sent) == set()
    assert not set(sent) & set("<>")
    shown = sent.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert shown == printable(text)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("<!channel> look", "&lt;!channel&gt; look"),
        (
            "<https://evil.example|https://drive.google.com>",
            "&lt;https://evil.example|https://drive.google.com&gt;",
        ),
        ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
        ("a & b", "a &amp; b"),
    ],
)
def test_slack_reads_a_message_as_it_was_written(
    webhook: tuple[Webhook, Receiver], text: str, sent: str
) -> None:
    hook, receiver = webhook
    hook.send(text)

    assert receiver.texts == [sent]


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    stream = io.StringIO()

    TerminalConsole(file=stream, markup=False, width=200).print("[red]a[/] [link=http://evil.example]b[/]")

    assert stream.getvalue() == "[red]a[/] [link=http://evil.example]b[/]\n"


HOSTILE = "x\x1b]0;pwned\x07\x9b2J\u202egpj\r|"


@pytest.mark.parametrize("faulty", [False, True])
def test_nothing_that_a_server_says_reaches_dagsters_records_raw(
    archive: DayArchive, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient, faulty: bool
) -> None:
    one, other = (archive.api.add_run(NOON, name=HOSTILE, run_type=HOSTILE, tags=[HOSTILE]) for _ in range(2))
    archive.api.add_run(NOON, parent_run_id=one, trace_id=one, dotted_order=HOSTILE, error=HOSTILE)
    part = (
        f'--b\r\nContent-Disposition: form-data; name="attachment.{other}.a\u202e\x9b"\r\n'
        "Content-Length: 1\r\n\r\na\r\n"
    )
    archive.api.session.post(
        f"{archive.api.url}/runs/multipart",
        data=f"{part}--b--\r\n".encode(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    langsmith_sandbox.fault(path="/_blobs/", status=404, body=HOSTILE, times=100)
    if faulty:
        body = {"error": {"code": 403, "message": HOSTILE, "errors": [{"reason": HOSTILE}]}}
        drive_sandbox.fault(path="/files", status=403, body=body, times=100)

    result = archive.materialize()

    assert result.success is not faulty
    events = list(archive.instance.all_logs(result.run_id))
    told = [entry.user_message for entry in events]
    for entry in events:
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_materialization:
            told += [
                str(value.value)
                for value in event.step_materialization_data.materialization.metadata.values()
            ]
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            told += [str(check.description), *(str(value.value) for value in check.metadata.values())]
        if event.is_step_failure:
            failed = event.step_failure_data
            told += [str(failed.user_failure_data), str(failed.error and failed.error.to_string())]
    assert "pwned" in "".join(told)
    assert {text: found for text in told if (found := steering(text))} == {}
