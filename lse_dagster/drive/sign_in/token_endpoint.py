"""Where refresh tokens, client secrets and signed assertions may be sent.

The address (`token_uri`) stands in a file that people pass around: whoever can change that line would be sent
the rest. So it is Google's, over https, or it is on the host of GOOGLE_DRIVE_ENDPOINT.
"""

import re
from ipaddress import ip_address
from typing import Final

from lse_dagster.drive.errors import CredentialsInvalid
from lse_dagster.net.session import Origin, origin

_GOOGLES: Final = re.compile(r"([a-z0-9-]+\.)+googleapis\.com|accounts\.google\.com")
"""`oauth2`, `www`, `sts`, `iamcredentials` below the first; the second stands in files made before 2018."""


def expect_token_endpoint(url: str, endpoint: str | None) -> None:
    """`endpoint` is GOOGLE_DRIVE_ENDPOINT. Raises `CredentialsInvalid`."""
    try:
        scheme, host, port = origin(url)
        is_googles = (scheme, port) == ("https", 443) and _GOOGLES.fullmatch(host or "")
        if is_googles or (endpoint is not None and _is_on(endpoint, (scheme, host, port))):
            return
        shown = f"{scheme}://{host}"
    except ValueError:
        shown = "An address that is none"
    raise CredentialsInvalid(
        "Signing in to Google Drive",
        f"{shown} is not where Google gives tokens, so nothing was sent there.",
        "make the file of GOOGLE_DRIVE_CREDENTIALS_PATH or GOOGLE_DRIVE_TOKEN_PATH anew: its `token_uri` is "
        "https://oauth2.googleapis.com/token",
    )


def _is_on(endpoint: str, server: Origin) -> bool:
    own, (scheme, host, _) = origin(endpoint), server
    if host is None or host != own[1]:
        return False
    return server == own or scheme == "https" or (scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
