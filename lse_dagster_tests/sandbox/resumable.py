"""A resumable upload spoken by hand: parts, questions, and a connection that ends in the middle."""

import hashlib
import socket
from urllib.parse import urlsplit

import requests

DATA = bytes(range(256)) * 1024 * 4 + b"the end"  # four chunks and a bit
SHA256 = hashlib.sha256(DATA).hexdigest()


def put(uri: str, data: bytes, content_range: str | None = None) -> requests.Response:
    headers = {} if content_range is None else {"Content-Range": content_range}
    return requests.put(uri, data=data, headers=headers, timeout=60)


def ask(uri: str, size: int | str = len(DATA)) -> requests.Response:
    return put(uri, b"", f"bytes */{size}")


def send_part_and_hang_up(uri: str, data: bytes, promised: int, content_range: str | None = None) -> None:
    """Promise a body, send less, and close the connection without waiting for an answer."""
    url = urlsplit(uri)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {promised}\r\n"
    if content_range is not None:
        head += f"Content-Range: {content_range}\r\n"
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=60) as connection:
        connection.sendall(head.encode() + b"\r\n" + data)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1000)  # the server has read everything once it hangs up too
