"""What LangSmith says of endpoints that it will take away reaches people while there is time."""

from datetime import UTC, datetime

from lse_dagster.defs.alerts.endings import heard_endings
from lse_dagster.net.end_of_life import EndOfLife
from lse_dagster_tests.worlds.place import Place, at
from lse_dagster_tests.worlds.webhook_receiver import Receiver

STATS = "POST /api/v1/runs/stats"


def say_the_end(place: Place, day: str) -> None:
    """LangSmith says it with one answer; the next is as always."""
    headers = {"Retry-After": "0", "Deprecation": "true", "Sunset": f"{day} 00:00:00 GMT"}
    place.langsmith.fault(path=r"/runs/stats$", status=503, headers=headers)


def test_an_endpoint_that_langsmith_will_take_away_is_told_once_for_each_date(
    place: Place, receiver: Receiver
) -> None:
    for passed, day in enumerate(("Sun, 31 Jan 2027", "Sun, 31 Jan 2027", "Sun, 28 Feb 2027")):
        say_the_end(place, day)
        place.daemon.run_until(at(2 + passed, 12))

    told = [text for text in receiver.texts if "LangSmith will take away" in text]
    assert len(told) == 2
    assert f"{STATS} is deprecated, to be removed on 2027-01-31." in told[0]
    assert "2027-02-28" in told[1]
    gone_at = datetime(2027, 2, 28, tzinfo=UTC)
    assert heard_endings(place.daemon.instance) == (EndOfLife(STATS, None, gone_at),)
