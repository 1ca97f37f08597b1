"""A typed client for a running sandbox server's control plane, as tests and the demo use it."""

from typing import Any, TypedDict, Unpack

import msgspec
import requests

from lse_dagster.sandbox.faults import Fault
from lse_dagster.sandbox.request_log import RequestEntry


class FaultFields(TypedDict, total=False):
    """The fields of `faults.Fault`, which documents them."""

    method: str
    path: str
    times: int
    skip: int
    status: int
    headers: dict[str, str]
    body: Any
    delay: float
    drop_after: int
    drop_request_after: int
    truncate: int
    corrupt: bool
    empty_page: bool
    repeat_cursor: bool
    repeat_page: bool


class ControlClient:
    """Control of one server. Every call has taken effect when it returns."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._session = requests.Session()
        self._session.trust_env = False  # loopback: no proxy of the environment may come between

    def fault(self, **fields: Unpack[FaultFields]) -> None:
        """Add a fault rule, for example `fault(path="/runs/query", status=503, times=2)`."""
        self._call("POST", "faults", msgspec.json.encode(Fault(**fields)))

    def faults(self) -> list[Fault]:
        """The rules that still wait."""
        return msgspec.json.decode(self._call("GET", "faults"), type=list[Fault])

    def clear_faults(self) -> None:
        """Forget the rules that still wait; everything else stays."""
        self._call("DELETE", "faults")

    def latency(self, seconds_by_path: dict[str, float]) -> None:
        """Make requests whose path matches slower; replaces earlier rules."""
        self._call("POST", "latency", msgspec.json.encode(seconds_by_path))

    def limits(self, *, enabled: bool, rules: list[dict[str, Any]] | None = None) -> None:
        """Switch the rate limits of the real service on or off, or put others in their place."""
        self._call("POST", "limits", msgspec.json.encode({"enabled": enabled, "rules": rules}))

    def requests(self) -> list[RequestEntry]:
        """Every request since the log was begun anew, oldest first."""
        return msgspec.json.decode(self._call("GET", "requests"), type=list[RequestEntry])

    def clear_requests(self) -> None:
        """Begin the log anew; everything else stays."""
        self._call("DELETE", "requests")

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change the server's test settings, keep the others, and return all of them."""
        answer: dict[str, Any] = msgspec.json.decode(
            self._call("POST", "settings", msgspec.json.encode(changes))
        )
        return answer

    def clear(self) -> None:
        """Back to a well-behaved server: no faults, latency, limits or settings, and an empty log."""
        self._call("DELETE", "everything")

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _call(self, method: str, endpoint: str, body: bytes | None = None) -> bytes:
        url = f"{self._base_url}/_control/{endpoint}"
        headers = {"content-type": "application/json"}
        response = self._session.request(method, url, data=body, headers=headers, timeout=30)
        if response.status_code == 404 and method == "DELETE":
            return b""  # a server without settings has none to clear
        if not response.ok:
            raise ValueError(f"{method} {url}: {response.status_code} {response.text[:500]}")
        return response.content
