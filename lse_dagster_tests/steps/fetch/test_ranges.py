"""Dividing a day among workers, against a model of a server: no interleaving loses a run."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from lse_dagster.steps.fetch.ranges import RangeBoard, TimeRange, gaps, slices

LOW = datetime(2025, 8, 29, tzinfo=UTC)
HIGH = LOW + timedelta(days=1)
SECONDS = 24 * 3600


@dataclass
class ModelWorker:
    """Follows one range after the other on a list of start times, one page per step."""

    board: RangeBoard
    server: list[tuple[int, datetime]]
    page_size: int
    kept: set[int]
    done: list[tuple[datetime, datetime]]
    pages: int = 0
    range: TimeRange | None = None
    position: int = 0
    answers: list[tuple[int, datetime]] = field(default_factory=list)

    def step(self) -> bool:
        """Take a range or a page; False when there is nothing to do now."""
        if self.range is None:
            self.range = _take_without_waiting(self.board)
            if self.range is None:
                return False
            low, high = self.range.asked_from, self.range.high
            self.answers = [run for run in self.server if low <= run[1] < high]
            self.position = 0
        page = self.answers[self.position : self.position + self.page_size]
        self.position += self.page_size
        self.pages += 1
        self.kept |= {number for number, _ in page}
        needs_more = self.board.arrived(self.range, [start for _, start in page])
        if not needs_more or self.position >= len(self.answers):
            self.done.append(self.board.finish(self.range))
            self.range = None
        return True


def _take_without_waiting(board: RangeBoard) -> TimeRange | None:
    """`take` waits for other threads; the model has one, so it looks first whether it would."""
    return board.take() if board.has_work else None


def fetch(
    server: list[tuple[int, datetime]], workers: int, page_size: int, draw: object
) -> list[ModelWorker]:
    """Let workers take turns in any order until all is done."""
    assert callable(draw)
    board = RangeBoard(slices(LOW, HIGH, workers))
    kept: set[int] = set()
    done: list[tuple[datetime, datetime]] = []
    crew = [ModelWorker(board, server, page_size, kept, done) for _ in range(workers)]
    while any(worker.range for worker in crew) or board.has_work:
        able = [worker for worker in crew if worker.range or board.has_work]
        able[draw(len(able))].step()
    return crew


starts = st.one_of(
    st.lists(st.integers(0, SECONDS * 10**6 - 1), max_size=60),
    st.lists(st.integers(0, 10**6), max_size=60),  # all in one second
    st.lists(st.sampled_from([0, 5, SECONDS * 10**6 - 1]), max_size=60),  # equal timestamps
)


@settings(max_examples=300)
@given(
    starts, st.integers(1, 8), st.integers(1, 20), st.booleans(), st.randoms(use_true_random=False), st.data()
)
def test_no_run_is_lost_whatever_the_interleaving_and_the_order(
    offsets: list[int], workers: int, page_size: int, is_sorted: bool, random: object, data: st.DataObject
) -> None:
    server = [(number, LOW + timedelta(microseconds=offset)) for number, offset in enumerate(offsets)]
    server.sort(key=lambda run: run[1], reverse=True)

    crew = fetch(server, workers, page_size, lambda count: data.draw(st.integers(0, count - 1)))

    assert crew[0].kept == {number for number, _ in server}
    assert gaps(LOW, HIGH, crew[0].done) == []


@settings(max_examples=100)
@given(starts, st.integers(1, 8), st.data())
def test_a_server_whose_first_page_shows_that_it_does_not_sort_costs_time_and_no_run(
    offsets: list[int], workers: int, data: st.DataObject
) -> None:
    server = [(number, LOW + timedelta(microseconds=offset)) for number, offset in enumerate(offsets)]
    server.sort(key=lambda run: run[1])

    crew = fetch(server, workers, 2, lambda count: data.draw(st.integers(0, count - 1)))

    assert crew[0].kept == {number for number, _ in server}


@settings(max_examples=50)
@given(st.integers(1, 8), st.integers(5, 50), st.data())
def test_an_even_day_costs_few_requests_more_than_it_must(
    workers: int, page_size: int, data: st.DataObject
) -> None:
    runs = 40 * page_size
    server = [(number, HIGH - timedelta(days=1) * (number + 1) / (runs + 1)) for number in range(runs)]

    crew = fetch(server, workers, page_size, lambda count: data.draw(st.integers(0, count - 1)))

    assert crew[0].kept == set(range(runs))
    assert sum(worker.pages for worker in crew) <= 1.1 * 40 + 3 * workers


def test_the_gaps_of_what_is_done_are_what_is_left() -> None:
    hour = timedelta(hours=1)

    assert gaps(LOW, HIGH, []) == [(LOW, HIGH)]
    assert gaps(LOW, HIGH, [(LOW, HIGH)]) == []
    assert gaps(LOW, HIGH, [(LOW + hour, LOW + 2 * hour), (LOW + 2 * hour, HIGH - hour)]) == [
        (LOW, LOW + hour),
        (HIGH - hour, HIGH),
    ]
