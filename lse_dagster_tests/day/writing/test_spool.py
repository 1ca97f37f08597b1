"""The spool of a fetch read back by the next process: all of it as it was written, or an error."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lse_dagster.day.writing.spool import DamagedSpool, RunSpool
from lse_dagster.run.identity import RunIdentity, read_identity
from lse_dagster_tests.worlds.runs import at, root


def runs(count: int) -> list[tuple[RunIdentity, bytes]]:
    raws = [root(at("12:00:00")).raw(number=number) for number in range(count)]
    return [(read_identity(raw), raw) for raw in raws]


def written(path: Path, *batches: list[tuple[RunIdentity, bytes]]) -> int:
    """A spool of batches that several threads wrote side by side; how many bytes were flushed."""
    spool = RunSpool(path)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(spool.add, batches))
    flushed = spool.flush()
    spool.close()
    return flushed


def held(spool: RunSpool) -> dict[str, bytes]:
    return {run.id: spool.read(run) for trace in spool.index.traces() for run in trace.runs}


def test_batches_of_any_size_come_back_as_they_were_written(tmp_path: Path) -> None:
    batches = [runs(1), runs(1_200), [], runs(7)]  # 1,200 runs are more parts than one write takes
    flushed = written(tmp_path / "spool", *batches)

    recovered = RunSpool(tmp_path / "spool", recover=flushed)

    assert held(recovered) == {run.id: raw for batch in batches for run, raw in batch}


def test_what_came_after_the_flush_is_cut_off(tmp_path: Path) -> None:
    first, second = runs(3), runs(2)
    spool = RunSpool(tmp_path / "spool")
    spool.add(first)
    flushed = spool.flush()
    spool.add(second)
    spool.close()

    recovered = RunSpool(tmp_path / "spool", recover=flushed)
    recovered.add(second)

    assert held(recovered) == {run.id: raw for run, raw in first + second}


@pytest.mark.parametrize("begin", [0, 8, 16, 500])
@pytest.mark.parametrize("size", [8, 64])
def test_bytes_that_never_reached_the_disk_are_noticed(begin: int, size: int, tmp_path: Path) -> None:
    path = tmp_path / "spool"
    flushed = written(path, runs(5), runs(5))
    content = bytearray(path.read_bytes())
    content[begin : begin + size] = bytes(size)
    path.write_bytes(content)

    with pytest.raises(DamagedSpool):
        RunSpool(path, recover=flushed)


def test_a_file_that_is_shorter_than_what_was_flushed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    flushed = written(path, runs(5), runs(5))
    path.write_bytes(path.read_bytes()[: flushed // 2])

    with pytest.raises(DamagedSpool):
        RunSpool(path, recover=flushed)
