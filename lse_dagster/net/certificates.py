"""Whose certificates are trusted, and what to say about one that is not.

One setting for every client: `REQUESTS_CA_BUNDLE`, as `requests` has it, or `SSL_CERT_FILE`, as OpenSSL has
it. A certificate that is not trusted stays so, so it is an error of its own, which nobody tries again.
"""

import http.client
import os
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from lse_dagster.net.faults import behind

VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""The first that is set counts. The second because `requests` takes it too."""

_TRUST_IT: Final = (
    "If your network inspects https with an authority of its own, put that authority's certificate (PEM), "
    "and those that you trusted before, into a file and set REQUESTS_CA_BUNDLE (or SSL_CERT_FILE) to it"
)
_TIMES: Final = frozenset({9, 10})
_NAMES: Final = frozenset({62, 64})
"""OpenSSL's codes X509_V_ERR_*: not yet valid, expired; another host's, another address's."""
_SECONDS: Final = 5.0
_LONGEST_NAME: Final = 100


class CertificateError(requests.exceptions.SSLError):
    """A server's certificate, or the file of those that are trusted, is not good. Final; holds no request."""

    def __init__(self, why: str, next_step: str) -> None:
        super().__init__(why)
        self.why = why
        self.next_step = next_step


@dataclass(frozen=True)
class CaBundle:
    """The trusted authorities that a variable names: a PEM file, or a directory as OpenSSL hashes it."""

    variable: str
    path: str

    def __str__(self) -> str:
        return f"{self.variable}={self.path}"

    def expect_there(self) -> None:
        """Raises `CertificateError`."""
        if not Path(self.path).exists():
            raise self._unusable("there is no such file")

    def count(self) -> int | None:
        """How many authorities the file holds; None for a directory. Raises `CertificateError`."""
        self.expect_there()
        if Path(self.path).is_dir():
            return None
        try:
            trusted = ssl.create_default_context(cafile=self.path)
        except (OSError, ValueError) as error:
            raise self._unusable(f"it is no file of certificates in PEM ({type(error).__name__})") from None
        return trusted.cert_store_stats()["x509_ca"]

    def _unusable(self, why: str) -> CertificateError:
        return CertificateError(
            f"{self} cannot be used: {why}.",
            f"Set {self.variable} to a file of trusted certificates (PEM), or leave it out.",
        )


def ca_bundle() -> CaBundle | None:
    """What the environment names; None: the authorities that certifi brings."""
    found = ((variable, os.environ.get(variable, "").strip()) for variable in VARIABLES)
    return next((CaBundle(variable, path) for variable, path in found if path), None)


def certificate_error(
    error: requests.exceptions.SSLError, url: str, proxies: Mapping[str, str]
) -> CertificateError | None:
    """What the failure of a connection says of certificates; None if it was another one, which may pass."""
    refusal = next((link for link in behind(error) if isinstance(link, ssl.SSLCertVerificationError)), None)
    bundle = ca_bundle()
    if refusal is None:
        if bundle is not None:
            try:
                bundle.count()
            except CertificateError as unusable:
                return unusable
        return None
    return _explained(refusal, url, proxies, bundle)


def _explained(
    refusal: ssl.SSLCertVerificationError, url: str, proxies: Mapping[str, str], bundle: CaBundle | None
) -> CertificateError:
    host = urlsplit(url).hostname or "the server"
    issuer = _issuer(url, proxies) or "an unknown authority"
    code, words = refusal.verify_code, refusal.verify_message.rstrip(".")
    what = f"The certificate of {host}, issued by {issuer}, is not accepted: {words}."
    trusted = f"{bundle} was asked" if bundle is not None else "certifi's list was asked"
    if code in _TIMES:
        todo = f"Check this machine's clock (`date -u`); else {host} needs a new certificate"
    elif code in _NAMES:
        todo = f"Check the address, and whether something else answers for {host}"
    else:
        return CertificateError(what, f"{_TRUST_IT} ({trusted}).")
    return CertificateError(what, f"{todo}. No other REQUESTS_CA_BUNDLE or SSL_CERT_FILE helps ({trusted}).")


def _issuer(url: str, proxies: Mapping[str, str]) -> str | None:
    """Who signed the certificate that the server shows. A handshake only: nothing is asked, nothing sent."""
    shown = ssl.create_default_context()
    shown.check_hostname = False
    shown.verify_mode = ssl.CERT_NONE
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    proxy = urlsplit(requests.utils.select_proxy(url, dict(proxies)) or "")
    try:
        if proxy.hostname:
            connection = http.client.HTTPSConnection(
                proxy.hostname, proxy.port or 80, timeout=_SECONDS, context=shown
            )
            connection.set_tunnel(host, port, headers=_proxy_headers(proxy.username, proxy.password))
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=shown)
        with closing(connection):
            connection.connect()
            sock = connection.sock
            certificate = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return _name_of_issuer(certificate) if certificate else None


def _proxy_headers(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    return dict(urllib3.make_headers(proxy_basic_auth=f"{unquote(user)}:{unquote(password or '')}"))


def _name_of_issuer(certificate: bytes) -> str | None:
    from cryptography import x509

    try:
        name = x509.load_der_x509_certificate(certificate).issuer.rfc4514_string()
    except ValueError:
        return None
    return f'"{" ".join(name.split())[:_LONGEST_NAME]}"'
