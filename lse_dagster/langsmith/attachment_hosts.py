"""Which hosts attachments may be fetched from: the links come with the runs, and anybody can write a run.

With LangSmith Cloud: public addresses, over https. A server of one's own has its object store where it likes:
so its own host too, and what `LSE_ATTACHMENT_HOSTS` names. Each hop of a redirect is looked at when its
connection is made, by the address that is connected to. Behind a proxy nobody here knows that address: there
the name decides.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Self
from urllib.parse import urlsplit

from lse_dagster.langsmith.access import is_cloud
from lse_dagster.net.addresses import Address, Resolve, is_public, resolve, spelled_address

VARIABLE: Final = "LSE_ATTACHMENT_HOSTS"

_NAME: Final = re.compile(r"(\*?\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_INSIDE: Final = frozenset(
    {"localhost", "local", "internal", "intranet", "localdomain", "lan", "home", "corp", "private", "arpa"}
)
"""Last parts of names that no public name has (RFC 6761, 6762, 8375; ICANN's list of collisions)."""


class HostRefused(Exception):
    """Nothing is fetched from there. Not an `OSError`: urllib3 would take it for a broken connection."""


class NotAHost(ValueError):
    """An entry that is neither a name nor a suffix nor a network."""


@dataclass(frozen=True)
class AttachmentHosts:
    """The rule for one server. `own` is its host; None: LangSmith Cloud."""

    own: str | None
    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    resolve: Resolve = resolve

    @classmethod
    def of(cls, endpoint: str, entries: Sequence[str] = (), *, resolve: Resolve = resolve) -> Self:
        """For this endpoint, with the entries of `LSE_ATTACHMENT_HOSTS`. Raises `NotAHost`."""
        names, suffixes, networks = set(), [], []
        for entry in entries:
            found = _entry(entry)
            if not isinstance(found, str):
                networks.append(found)
            elif found.startswith("."):
                suffixes.append(found)
            else:
                names.add(found)
        own = None if is_cloud(endpoint) else _plain(urlsplit(endpoint.strip()).hostname or "")
        if own is None:
            return cls(None, resolve=resolve)
        return cls(own, frozenset(names), tuple(suffixes), tuple(networks), resolve)

    def addresses(self, host: str, *, https: bool) -> list[str]:
        """Where to connect to for this host. Raises `HostRefused`, `socket.gaierror`."""
        is_named = self._is_named(host)
        if not (is_named or https or self.networks):
            raise self._refusal(host, None, https=https)
        found = self.resolve(host)
        if is_named:
            return found
        good = [text for text in found if self._may_be(ip_address(text.partition("%")[0]), https=https)]
        if not good:
            raise self._refusal(host, found[0] if found else None, https=https)
        return good

    def expect_name(self, url: str) -> None:
        """Look at an address that a proxy resolves. Raises `HostRefused`."""
        parts = urlsplit(url)
        host, https = parts.hostname or "", parts.scheme == "https"
        if self._is_named(host):
            return
        if (address := spelled_address(host)) is not None:
            good = self._may_be(address, https=https)
        else:
            labels = _plain(host).split(".")
            good = https and len(labels) > 1 and labels[-1] not in _INSIDE
        if not good:
            raise self._refusal(host, None, https=https)

    def _is_named(self, host: str) -> bool:
        plain = _plain(host)
        return plain == self.own or plain in self.names or plain.endswith(self.suffixes)

    def _may_be(self, address: Address, *, https: bool) -> bool:
        return any(address in network for network in self.networks) or (https and is_public(address))

    def _refusal(self, host: str, address: str | None, *, https: bool) -> HostRefused:
        where = host if address in {None, host} else f"{host} ({address})"
        why = "is not a public address" if https else "is not asked over https"
        if self.own is None:
            advice = f"LangSmith Cloud keeps no files there ({VARIABLE} is for a server of your own)"
            return HostRefused(f"{where} {why}; {advice}")
        return HostRefused(f"{where} {why}; if it is your object store, name it in {VARIABLE}")


def _entry(text: str) -> str | IPv4Network | IPv6Network:
    """A network, a name, or a suffix with a dot before it."""
    entry = _plain(text.strip())
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        if "/" in entry or spelled_address(entry) is not None or not _NAME.fullmatch(entry):
            raise NotAHost(
                f"{text!r} is neither a host's name, a suffix (.example.com) nor a network"
            ) from None
    return entry.removeprefix("*")


def _plain(host: str) -> str:
    """One spelling of a host."""
    plain = host.lower().rstrip(".")
    address = spelled_address(plain)
    return plain if address is None else str(address)
