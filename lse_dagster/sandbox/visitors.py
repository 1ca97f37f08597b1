"""Who may ask the sandbox: programs of this machine, and no web page that a browser here has open.

A page can reach loopback in two ways. It may give its own name this machine's address (DNS rebinding): its
requests then carry that name as their `Host`. Or it sends requests to another site: browsers mark those with
`Origin` and `Sec-Fetch-Site`, which no page can forge. Programs send neither.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

_OWN_PAGES: Final = frozenset({"same-origin", "none"})
"""`none`: somebody typed the address."""


def why_refused(scope: Scope, *, controls: bool) -> str | None:
    """Why a request is not answered, or None. `controls`: it asks the control plane, as no page may."""
    headers = Headers(scope=scope)
    hosts = headers.getlist("host")
    if not all(map(_is_this_machine, hosts)):
        return f"Host {', '.join(hosts)!r} is not this machine: use 127.0.0.1 or localhost."
    if controls and _is_of_another_page(headers):
        return "The control plane is not for web pages."
    return None


def _is_this_machine(host: str) -> bool:
    """Whether a `Host` names loopback. An address of numbers is nobody's name, so it cannot be rebound."""
    try:
        name = (parse_url(f"http://{host}").host or "").strip("[]")
    except LocationParseError:
        return False
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_of_another_page(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin")
    foreign = origin is not None and origin != f"http://{headers.get('host')}"
    return foreign or headers.get("sec-fetch-site", "none") not in _OWN_PAGES
