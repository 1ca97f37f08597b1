"""Which addresses can be asked, which are public, and which one a host spells: there are odd spellings."""

import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Resolve = Callable[[str], list[str]]
"""From a host's name to its addresses. Raises `socket.gaierror`."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are the IPv4 address that is reached."""


def is_web_address(text: str) -> bool:
    """Whether this is http or https, and a host that a name server could be asked for."""
    with suppress(ValueError):  # of a host with a bracket, a port that is no number, an empty label
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        return parts.scheme in {"http", "https"} and host != b"" and parts.port != 0
    return False


def resolve(host: str) -> list[str]:
    """All addresses of a host, in the order in which they are to be tried. Raises `socket.gaierror`."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def spelled_address(host: str) -> Address | None:
    """The address that a host is, as resolvers read it (`0x7f.1`, `2130706433`, `[::1]`); None: a name."""
    with suppress(ValueError):
        return ip_address(host.strip("[]"))
    with suppress(OSError, ValueError):
        return IPv4Address(socket.inet_aton(host))
    return None


def is_public(address: Address) -> bool:
    """Whether this leads out into the internet, and not to this machine, its network or nowhere."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    if (inner := _carried(address)) is not None:
        return is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_site_local)


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that is reached through this one."""
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
