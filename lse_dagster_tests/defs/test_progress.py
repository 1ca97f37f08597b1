"""How progress reaches Dagster's log: rarely, and in words."""

from lse_dagster.defs.progress import Amount, amounts, describe, said_now_and_then
from lse_dagster.steps.fetch.progress import FetchProgress


def test_the_log_gets_a_line_every_five_seconds_whatever_happens_between() -> None:
    now = 100.0
    lines: list[str] = []
    on_progress = amounts(said_now_and_then(lines.append, clock=lambda: now), "uploading")

    for moment in (100.0, 104.9, 105.0, 105.1, 109.9, 110.5):
        now = moment
        on_progress(int(moment) * 1_000_000, 200_000_000)

    assert lines == ["uploading 105.0 of 200.0 MB (52%)", "uploading 110.0 of 200.0 MB (55%)"]


def test_each_event_is_described_in_its_own_unit() -> None:
    fetch = FetchProgress(runs=1234, share=0.25, bytes=5_600_000, requests=7, retries=1, seconds_waited=12.4)

    assert describe(Amount("zipping", 10, 40)) == "zipping 10 of 40 files (25%)"
    assert describe(Amount("extracting", 0, 0)) == "extracting 0 of 0 files (100%)"
    assert describe(Amount("downloading", 0, 1_000_000)) == "downloading 0.0 of 1.0 MB (0%)"
    assert describe(fetch) == (
        "1,234 runs so far, 25% of the day, 5.6 MB, 7 requests, 1 retries, 12 s waited"
    )
