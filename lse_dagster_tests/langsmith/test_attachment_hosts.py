"""Whose files are fetched: links come with runs, and lead only where this endpoint may have its store."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.langsmith.attachment_hosts import AttachmentHosts, HostRefused, NotAHost
from lse_dagster.net.addresses import is_public
from lse_dagster.steps.fetch.attachments import AttachmentsKept
from lse_dagster_tests.langsmith.odd_server import OddServer, running_odd_server
from lse_dagster_tests.net.authority import Authority
from lse_dagster_tests.worlds.attached_runs import Downloads, fetch

CLOUD = "https://eu.api.smith.langchain.com"
OWN = "http://langsmith.example.com/api/v1"
LISTED = ("minio", ".svc.cluster.local", "10.20.0.0/16", "fd00::/8")

ADDRESSES = {
    "api.smith.langchain.com": "34.1.2.3",
    "eu.api.smith.langchain.com": "34.1.2.3",
    "bucket.example.net": "52.1.2.3",
    "langsmith.example.com": "10.9.9.9",
    "inside.example.net": "10.20.3.4",
    "outside.example.net": "10.30.3.4",
    "v6.example.net": "fd00::1",
    "minio": "172.16.0.9",
    "minio.evil.example": "172.16.0.9",
    "a.svc.cluster.local": "172.16.0.9",
    "svc.cluster.local": "172.16.0.9",
}


def look_up(host: str) -> list[str]:
    """A name server; a host that is an address is what it spells."""
    if (known := ADDRESSES.get(host.lower().rstrip("."))) is not None:
        return [known]
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


KINDS: dict[str, tuple[str, str]] = {
    # a kind of link: the host, and with which endpoints it is fetched over https / over http
    # (c: Cloud, o: one's own, l: one's own with LISTED)
    "a public name": ("bucket.example.net", "col/"),
    "a public address": ("52.1.2.3", "col/"),
    "a public address of IPv6": ("2600:1f18::1", "col/"),
    "the own host": ("langsmith.example.com", "ol/ol"),
    "the own host, spelled oddly": ("LANGSMITH.example.com.", "ol/ol"),
    "a name in the list": ("minio", "l/l"),
    "a name that begins like one in the list": ("minio.evil.example", "/"),
    "a name with a suffix in the list": ("a.svc.cluster.local", "l/l"),
    "a suffix without a name": ("svc.cluster.local", "/"),
    "an address in the list": ("10.20.3.4", "l/l"),
    "a name whose address is in the list": ("inside.example.net", "l/l"),
    "a name whose IPv6 address is in the list": ("v6.example.net", "l/l"),
    "a private name": ("outside.example.net", "/"),
    "a private address": ("10.30.3.4", "/"),
    "this machine": ("127.0.0.1", "/"),
    "this machine, by name": ("localhost", "/"),
    "this machine, in few digits": ("127.1", "/"),
    "this machine, as a number": ("2130706433", "/"),
    "this machine, in hexadecimal": ("0x7f000001", "/"),
    "this machine, in octal": ("0177.0.0.1", "/"),
    "this machine, as IPv6": ("::1", "/"),
    "this machine, mapped": ("::ffff:127.0.0.1", "/"),
    "a cloud's metadata": ("169.254.169.254", "/"),
    "a cloud's metadata, translated": ("64:ff9b::a9fe:a9fe", "/"),
    "a cloud's metadata, through 6to4": ("2002:a9fe:a9fe::1", "/"),
    "a link-local address": ("fe80::1", "/"),
    "a carrier's address": ("100.64.0.1", "/"),
    "no address": ("0.0.0.0", "/"),
    "everybody": ("224.0.0.1", "/"),
}
ENDPOINTS = {"c": (CLOUD, LISTED), "o": (OWN, ()), "l": (OWN, LISTED)}
PUBLIC_BY_NAME = {
    "the own host": "col/ol",
    "the own host, spelled oddly": "col/ol",
    "a name that begins like one in the list": "col/",
    "a name whose address is in the list": "col/",
    "a name whose IPv6 address is in the list": "col/",
    "a private name": "col/",
}
"""What a proxy is asked for: it alone looks up the name."""


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["Cloud", "one's own", "one's own with a list"])
@pytest.mark.parametrize("https", [True, False], ids=["https", "http"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_link_may_lead_to_depends_on_the_endpoint(kind: str, https: bool, endpoint: str) -> None:
    host, allowed = KINDS[kind]
    hosts = AttachmentHosts.of(*ENDPOINTS[endpoint], resolve=look_up)
    expected = endpoint in allowed.split("/")[0 if https else 1]

    assert _is_taken(lambda: hosts.addresses(host, https=https)) == expected


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["Cloud", "one's own", "one's own with a list"])
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("kind", KINDS)
def test_behind_a_proxy_the_name_decides(kind: str, scheme: str, endpoint: str) -> None:
    host, allowed = KINDS[kind]
    hosts = AttachmentHosts.of(*ENDPOINTS[endpoint], resolve=look_up)
    allowed = PUBLIC_BY_NAME.get(kind, allowed)
    expected = endpoint in allowed.split("/")[0 if scheme == "https" else 1]
    shown = f"[{host}]" if ":" in host else host

    assert _is_taken(lambda: hosts.expect_name(f"{scheme}://{shown}:9000/a?b")) == expected


def _is_taken(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except HostRefused as error:
        assert "LSE_ATTACHMENT_HOSTS" in str(error)
        return False
    return True


PRIVATE = st.one_of(
    *(st.ip_addresses(v=4, network=network) for network in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16")),
    *(st.ip_addresses(v=4, network=network) for network in ("172.16.0.0/12", "192.168.0.0/16", "0.0.0.0/8")),
    *(
        st.ip_addresses(v=6, network=network)
        for network in ("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8")
    ),
)
SPELLINGS: list[Callable[[IPv4Address], str]] = [
    str,
    lambda address: str(int(address)),
    lambda address: hex(int(address)),
    lambda address: ".".join(f"0{byte:o}" for byte in address.packed),
    lambda address: f"::ffff:{address}",
    lambda address: f"64:ff9b::{address}",
    lambda address: str(IPv6Address(bytes([0x20, 0x02]) + address.packed + bytes(10))),
    lambda address: f"::{address}",
]


@given(address=PRIVATE, spelling=st.sampled_from(SPELLINGS), https=st.booleans())
def test_no_spelling_of_a_private_address_is_taken_for_a_public_one(
    address: IPv4Address | IPv6Address, spelling: Callable[[IPv4Address], str], https: bool
) -> None:
    host = spelling(address) if isinstance(address, IPv4Address) else str(address)
    shown = f"[{host}]" if ":" in host else host
    for endpoint in (CLOUD, OWN):
        hosts = AttachmentHosts.of(endpoint, resolve=look_up)

        assert not is_public(address)
        assert not _is_taken(lambda rule=hosts: rule.addresses(host, https=https))  # type: ignore[misc]
        assert not _is_taken(lambda rule=hosts: rule.expect_name(f"https://{shown}/"))  # type: ignore[misc]


@pytest.mark.parametrize(
    "entry",
    ["minio:9000", "http://minio", "*", ".", "a b", "10.0.0.0/33", "a/b", "minio,other", "[::1]:9", "-x"],
)
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(NotAHost):
        AttachmentHosts.of(OWN, [entry])


@dataclass
class Names:
    """A name server that counts, and may say something else each time."""

    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@pytest.fixture
def store() -> Iterator[OddServer]:
    """A store on this machine, that has a file at every address."""
    with running_odd_server() as server:
        server.script = lambda question: question.answer(200, b"the file")
        yield server


def run_with(url: str) -> bytes:
    return msgspec.json.encode({"id": "r1", "attachments": {"file": url}})


def port_of(server: OddServer) -> str:
    return server.url.rpartition(":")[2]


def why(kept: AttachmentsKept) -> str:
    (lost,) = kept.missing
    return lost.why


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "files.example.net"])
def test_with_cloud_no_connection_to_this_machine_is_made(
    host: str, downloads: Downloads, store: OddServer
) -> None:
    names = {"files.example.net": ["127.0.0.1"]}
    hosts = AttachmentHosts.of(CLOUD, resolve=lambda host: names.get(host) or look_up(host))

    kept = fetch(downloads(hosts=hosts), run_with(f"https://{host}:{port_of(store)}/a?signature=x"))

    assert "127.0.0.1" in why(kept) or "not a public address" in why(kept)
    assert "LSE_ATTACHMENT_HOSTS" in why(kept)
    assert store.connections == 0
    assert kept.traffic.requests == 1


def test_each_hop_of_a_redirect_is_looked_at(downloads: Downloads, store: OddServer, odd: OddServer) -> None:
    target = f"http://localhost:{port_of(store)}/a"
    odd.script = lambda question: question.answer(307, headers={"Location": target})
    run = run_with(f"{odd.url}/a?signature=x")

    kept = fetch(downloads(), run)

    assert "localhost" in why(kept)
    assert "LSE_ATTACHMENT_HOSTS" in why(kept)
    assert store.connections == 0


@pytest.mark.parametrize("entry", ["localhost", "127.0.0.0/8", ".local,localhost"])
def test_a_host_of_the_list_is_fetched_from(entry: str, downloads: Downloads, store: OddServer) -> None:
    hosts = AttachmentHosts.of(OWN, entry.split(","), resolve=look_up)

    kept = fetch(downloads(hosts=hosts), run_with(f"http://localhost:{port_of(store)}/a"))

    assert kept.missing == []
    assert store.asked[0].headers["Host"] == f"localhost:{port_of(store)}"


def test_it_connects_to_the_address_that_was_looked_at(downloads: Downloads, store: OddServer) -> None:
    names = Names([["127.0.0.2", "127.0.0.1"], ["127.0.0.2"]])
    hosts = AttachmentHosts.of(OWN, ["127.0.0.1"], resolve=names)

    kept = fetch(downloads(hosts=hosts), run_with(f"http://rebinding.example.net:{port_of(store)}/a"))

    assert kept.missing == []
    assert names.asked == ["rebinding.example.net"]


def test_the_certificate_is_still_looked_at_by_name(
    downloads: Downloads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
    hosts = AttachmentHosts.of(OWN, [".example.net"], resolve=lambda host: ["127.0.0.1"])
    with running_odd_server(authority.server(host="files.example.net")) as server:
        server.script = lambda question: question.answer(200, b"the file")
        port = port_of(server)

        good = fetch(downloads(hosts=hosts), run_with(f"https://files.example.net:{port}/a"))
        wrong = fetch(downloads(hosts=hosts), run_with(f"https://other.example.net:{port}/a"))

    assert good.missing == []
    assert "certificate of other.example.net" in why(wrong)


def test_a_proxy_is_not_asked_for_a_host_that_is_refused(
    downloads: Downloads, store: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", store.url)
    monkeypatch.setenv("no_proxy", "")
    hosts = AttachmentHosts.of(OWN, ["minio"], resolve=look_up)

    refused = fetch(downloads(hosts=hosts), run_with("http://169.254.169.254/latest?x=1"))
    taken = fetch(downloads(hosts=hosts), run_with("http://minio/a"))

    assert "169.254.169.254" in why(refused)
    assert taken.missing == []
    assert [question.path for question in store.asked] == ["http://minio/a"]


def test_addresses_that_are_public_are_known_as_such() -> None:
    assert all(
        is_public(ip_address(text)) for text in ("8.8.8.8", "2600::1", "::ffff:8.8.8.8", "64:ff9b::808:808")
    )
