"""A LangSmith stand-in that is much faster than its clients, so that no measured figure is its own.

It answers v1 and v2 queries from pieces that were rendered at start, in a process of its own. Latency is a
pause before each answer. What the benchmark itself asks (`/bench/...`) is neither delayed nor counted.
"""

import argparse
import asyncio
import resource
import time
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

import msgspec

from benchmarks.control import Counters, DayFacts, Start
from benchmarks.http_server import Answer, Buffer, Request, listen, serve
from benchmarks.published_limits import PublishedLimits
from benchmarks.queries import Page, V1Query, V2Query, page_cursors, select_v1, select_v2
from benchmarks.synthetic_day import LIGHT_LENGTH, SyntheticDay
from benchmarks.worlds import DaySpec, make_days

_VERSION = "0.16.20"
_VERSION_WITHOUT_V2 = "0.15.0"
_FLAGS = {"sdb_query_enabled": True, "zstd_compression_enabled": True}
_V2_MOST = 1000
_V1_MOST = 100
_LIGHT = {"ID", "START_TIME"}
_HEAVY = {"INPUTS", "OUTPUTS"}


class NotFound(Exception):
    """There is nothing at this path."""


class LangSmithServer:
    """The endpoints. What is measured now is changed by `/bench/start` and by requests only."""

    def __init__(self, days: Sequence[SyntheticDay]) -> None:
        self._by_name = {day.name: day for day in days}
        self._by_id = {day.project_id: day for day in days}
        self.asked = Start()
        self.limits = PublishedLimits()
        self.counters = Counters()

    async def answer(self, request: Request) -> Answer:
        """The answer to one request, after the injected latency."""
        url = urlsplit(request.target)
        parameters = parse_qs(url.query)
        try:
            if url.path.startswith("/bench/"):
                return self._control(url.path.removeprefix("/bench/"), parameters, request.body)
            self.counters.requests += 1
            if self.asked.limited and (seconds := self.limits.refuse(url.path)):
                self.counters.refused += 1
                return Answer([b"Too Many Requests"], 429, {"Retry-After": str(seconds)})
            if self.asked.latency_ms:
                await asyncio.sleep(self.asked.latency_ms / 1000)
            answer = self._route(url.path, parameters, request)
        except NotFound:
            return _json({"detail": "Not Found"}, status=404)
        except (ValueError, KeyError, msgspec.MsgspecError) as error:
            return _json({"detail": f"{type(error).__name__}: {error}"}, status=400)
        self.counters.bytes += answer.size
        return answer

    def _route(self, path: str, parameters: dict[str, list[str]], request: Request) -> Answer:
        if path in {"/api/v2/runs/query", "/v2/runs/query"} and self.asked.v2:
            return self._query_v2(request)
        match path.removeprefix("/api").removeprefix("/v1").strip("/").split("/"):
            case ["info"]:
                version = _VERSION if self.asked.v2 else _VERSION_WITHOUT_V2
                answer = _json({"version": version, "instance_flags": _FLAGS})
            case ["sessions"]:
                answer = self._projects(parameters)
            case ["sessions", project_id]:
                answer = _json(_project(self._by_id[project_id]))
            case ["feedback"]:
                answer = _json([])
            case ["runs", "query"]:
                answer = self._query_v1(request)
            case ["runs", "stats"]:
                query = msgspec.json.decode(request.body, type=V1Query)
                answer = _json({"run_count": select_v1(self._by_id[query.session[0]], query).count})
            case ["runs", run_id]:
                answer = self._run(run_id)
            case _:
                raise NotFound
        return answer

    def _projects(self, parameters: dict[str, list[str]]) -> Answer:
        names = parameters.get("name", list(self._by_name))
        return _json([_project(self._by_name[name]) for name in names if name in self._by_name])

    def _query_v2(self, request: Request) -> Answer:
        query = msgspec.json.decode(request.body, type=V2Query)
        if not 1 <= query.page_size <= _V2_MOST:
            raise ValueError(f"page_size must be between 1 and {_V2_MOST}")
        day = self._by_id[query.project_ids[0]]
        page = select_v2(day, query).page(query.cursor, query.page_size)
        selects = set(query.selects)
        if not selects <= _LIGHT:
            self._count_page(request, query.page_size)
        if selects <= _LIGHT:
            items: list[Buffer] = [b"".join(day.v2_heads[at][:LIGHT_LENGTH] + b"}" for at in page.positions)]
        elif selects.isdisjoint(_HEAVY):
            items = [b"".join(day.v2_heads[at] + b"}" for at in page.positions)]
        else:
            items = [piece for at in page.positions for piece in (day.v2_heads[at], day.bodies[at].v2)]
        cursor = f',"next_cursor":"{page.next_cursor}"' if page.next_cursor else ""
        return _list_of(b'{"items":[', items, f"]{cursor}}}".encode())

    def _query_v1(self, request: Request) -> Answer:
        query = msgspec.json.decode(request.body, type=V1Query)
        if not 1 <= query.limit <= _V1_MOST:
            raise ValueError(f"Limit exceeds maximum allowed value of {_V1_MOST}")
        day = self._by_id[query.session[0]]
        page = select_v1(day, query).page(query.cursor, query.limit)
        if query.select != ["id"]:
            self._count_page(request, query.limit)
        return _list_of(b'{"runs":[', _v1_runs(day, page), _v1_end(page))

    def _run(self, run_id: str) -> Answer:
        for day in self._by_id.values():
            if found := list(day.among([run_id]).positions):
                head, tail = _v1_runs(day, Page(found, None))
                return Answer([head[1:], tail])
        raise NotFound

    def _count_page(self, request: Request, size: int) -> None:
        self.counters.queries += 1
        self.counters.largest_page = max(self.counters.largest_page, size)
        self.counters.connections.add(request.connection)
        self.counters.last_query = time.monotonic()
        self.counters.first_query = self.counters.first_query or self.counters.last_query

    def _control(self, path: str, parameters: dict[str, list[str]], body: bytes) -> Answer:
        match path:
            case "start":
                self.asked = msgspec.json.decode(body, type=Start)
                self.limits = PublishedLimits()
                self.counters = Counters(cpu_at_start=_cpu_seconds())
                return _json(None)
            case "counters":
                self.counters.cpu_seconds = _cpu_seconds() - self.counters.cpu_at_start
                return _json(self.counters)
            case "days":
                return _json([_facts(day) for day in self._by_name.values()])
            case "ids":
                day = self._by_name[parameters["project"][0]]
                return _json([run.path[-1] for run in day.runs])
            case "cursors":
                day = self._by_name[parameters["project"][0]]
                return _json(page_cursors(len(day.runs), int(parameters["page_size"][0])))
        raise NotFound


def _json(content: object, status: int = 200) -> Answer:
    return Answer([msgspec.json.encode(content)], status)


def _list_of(opening: bytes, items: list[Buffer], end: bytes) -> Answer:
    """Every item begins with a comma; the first one does without."""
    if items and items[0]:
        items[0] = memoryview(items[0])[1:]
    return Answer([opening, *items, end])


def _v1_runs(day: SyntheticDay, page: Page) -> list[Buffer]:
    return [
        piece
        for at in page.positions
        for piece in (day.runs[at].v1(day.project_id, day.end_us(at)), day.bodies[at].v1)
    ]


def _v1_end(page: Page) -> bytes:
    return b'],"cursors":' + msgspec.json.encode({"next": page.next_cursor, "prev": None}) + b"}"


def _project(day: SyntheticDay) -> dict[str, object]:
    return {
        "id": day.project_id,
        "tenant_id": day.project_id,
        "name": day.name,
        "start_time": "2025-08-01T00:00:00",
        "reference_dataset_id": None,
    }


def _facts(day: SyntheticDay) -> DayFacts:
    return DayFacts(day.name, day.project_id, len(day.runs), len(day.roots.positions), day.bytes())


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _serve(port: int, specs: Sequence[DaySpec]) -> None:
    server = LangSmithServer(make_days(specs))
    listener = listen(port)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await serve(listener, server.answer)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.langsmith_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: a free one, printed when it is ready")
    parser.add_argument(
        "days",
        nargs="+",
        type=DaySpec.parse,
        help="a number of runs (5361) or a size (1GB, 300MB) for each day",
    )
    arguments = parser.parse_args()
    try:
        asyncio.run(_serve(arguments.port, arguments.days))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
