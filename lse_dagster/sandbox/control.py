"""The control plane of a sandbox server: `/_control/*` and the middleware that makes its rules happen.

Both servers use it, each with its own state. Paths below `/_control/` that are not listed here (settings,
say) go to the app itself, untouched by faults, limits and the log.

| endpoint | POST | GET | DELETE |
| --- | --- | --- | --- |
| faults | add a rule (`faults.Fault`) | what is left | clear |
| latency | `{"path regex": seconds}`, replaces | the rules | clear |
| requests | | the request log | clear |
| limits | `{"enabled": true, "rules"?: [...]}` | the rules | off |
| everything | | | all of the above, and the settings of the app |
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lse_dagster.sandbox.faults import Fault, FaultRules
from lse_dagster.sandbox.limits import Limit, RateLimits
from lse_dagster.sandbox.request_log import Observed, RequestEntry, RequestLog
from lse_dagster.sandbox.visitors import why_refused
from lse_dagster.sandbox.wire import FaultyWire

PREFIX = "/_control/"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _LimitsBody(msgspec.Struct, forbid_unknown_fields=True):
    enabled: bool
    rules: list[Limit] | None = None


class Control:
    """Faults, latency, limits and the request log of one server. Touched on its event loop only."""

    def __init__(self, *, limits: Sequence[Limit] = ()) -> None:
        self.faults = FaultRules()
        self.log = RequestLog()
        self.limits = RateLimits(limits)
        self.latency: dict[str, float] = {}
        self.clock: Callable[[], datetime] = _utc_now
        """What the `Date` of every answer says; a server with a clock of its own puts it here."""

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The app behind this control plane."""

        async def controlled(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            send = self._dated(send)
            controls = scope["path"].startswith(PREFIX)
            if refused := why_refused(scope, controls=controls):
                await json_response({"detail": refused}, status=403)(scope, receive, send)
            elif controls:
                await self._control(app, scope, receive, send)
            else:
                await self._handle(app, scope, receive, send)

        return controlled

    def _dated(self, send: Send) -> Send:
        async def send_with_date(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                if all(name.lower() != b"date" for name, _ in headers):
                    headers.append((b"date", format_datetime(self.clock(), usegmt=True).encode()))
                message = {**message, "headers": headers}
            await send(message)

        return send_with_date

    async def _handle(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        entry = self.log.start(scope)
        seen = Observed(entry, receive, send)
        method, path, query = entry.method, entry.path, entry.query
        fault = self.faults.take(method, path, query)
        wait = self._latency_of(path) + (fault.delay if fault else 0.0)
        if wait:
            await asyncio.sleep(wait)
        if (retry_after := self.limits.retry_after(method, path)) is not None:
            await self._answer(_too_many(retry_after), scope, seen)
        elif fault is None:
            await app(scope, seen.receive, seen.send)
        elif fault.status is not None and fault.drop_request_after is None:
            entry.fault = True
            await self._answer(_faulty_response(fault), scope, seen)
        else:
            entry.fault = True
            await self._handle_faulty(app, scope, receive, send, fault=fault, entry=entry)

    async def _handle_faulty(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, fault: Fault, entry: RequestEntry
    ) -> None:
        # The log sees what the app got of the request and what really left of the response.
        wire = FaultyWire(scope, receive, Observed(entry, receive, send).send, fault)
        scope.setdefault("state", {})["fault"] = fault
        try:
            await app(scope, Observed(entry, wire.receive, send).receive, wire.send)
        except ClientDisconnect:
            if not wire.dropped:
                raise
        if wire.dropped:
            entry.dropped = True
            await wire.wait_closed()

    async def _answer(self, response: Response, scope: Scope, seen: Observed) -> None:
        # A real server reads the request before it answers; a client still sending would see a reset.
        while (message := await seen.receive())["type"] == "http.request" and message.get("more_body"):
            pass
        await response(scope, seen.receive, seen.send)

    def _latency_of(self, path: str) -> float:
        return sum(seconds for pattern, seconds in self.latency.items() if re.search(pattern, path))

    async def _control(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "DELETE" and scope["path"] == f"{PREFIX}everything":
            self._clear()
            await app({**scope, "path": f"{PREFIX}settings"}, receive, send)
            return
        endpoint = {
            "faults": self._faults_endpoint,
            "latency": self._latency_endpoint,
            "requests": self._requests_endpoint,
            "limits": self._limits_endpoint,
        }.get(scope["path"].removeprefix(PREFIX))
        if endpoint is None:
            await app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = endpoint(request.method, await request.body())
        except (msgspec.DecodeError, re.error) as error:
            await json_response({"detail": str(error)}, status=422)(scope, receive, send)
            return
        await json_response(answer)(scope, receive, send)

    def _clear(self) -> None:
        self.faults.clear()
        self.latency = {}
        self.limits.set(enabled=False)
        self.log.clear()

    def _faults_endpoint(self, method: str, body: bytes) -> Any:
        if method == "POST":
            self.faults.add(msgspec.json.decode(body, type=Fault))
        elif method == "DELETE":
            self.faults.clear()
        return self.faults.left

    def _latency_endpoint(self, method: str, body: bytes) -> Any:
        if method == "POST":
            self.latency = msgspec.json.decode(body, type=dict[str, float])
        elif method == "DELETE":
            self.latency = {}
        return self.latency

    def _requests_endpoint(self, method: str, body: bytes) -> Any:
        entries = self.log.entries
        if method == "DELETE":
            self.log.clear()
        return entries

    def _limits_endpoint(self, method: str, body: bytes) -> Any:
        if method == "POST":
            wanted = msgspec.json.decode(body, type=_LimitsBody)
            self.limits.set(enabled=wanted.enabled, rules=wanted.rules)
        elif method == "DELETE":
            self.limits.set(enabled=False)
        return {"enabled": self.limits.enabled, "rules": self.limits.rules}


def json_response(
    content: Any,
    *,
    status: int = 200,
    media_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Response:
    """A response in JSON; structs and `msgspec.Raw` pieces go in as they are."""
    body = msgspec.json.encode(content)
    return Response(body, status_code=status, media_type=media_type, headers=headers)


def _too_many(retry_after: int) -> Response:
    return json_response(
        {"detail": "Rate limit exceeded"}, status=429, headers={"Retry-After": str(retry_after)}
    )


def _faulty_response(fault: Fault) -> Response:
    status = fault.status or 500
    if isinstance(fault.body, str):
        return Response(fault.body, status_code=status, headers=fault.headers, media_type="text/plain")
    if fault.body is None:
        return json_response({"detail": f"sandbox fault {status}"}, status=status, headers=fault.headers)
    return json_response(fault.body, status=status, headers=fault.headers)


__all__ = ["PREFIX", "Control", "Fault", "Limit", "json_response"]
