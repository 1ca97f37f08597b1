"""Reads a folder id out of what a person pastes: Drive's URLs in all their forms, or the bare id.

Pure text; whether the id is a folder, and whether it can be reached, `folder.py` asks Drive.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from lse_dagster.drive.errors import FolderUrlInvalid

_WHAT = "Reading GOOGLE_DRIVE_FOLDER_URL"
_NEXT = (
    "open the folder in Google Drive, copy the address (https://drive.google.com/drive/folders/...) "
    "and set GOOGLE_DRIVE_FOLDER_URL to it"
)
# Ids have 19 (a shared drive), 33 or 44 characters today; Google promises no length. Ten keeps words out.
_ID = re.compile(r"[A-Za-z0-9_-]{10,}")
_RESOURCE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_FOLDER_PATH = re.compile(r"/(?:drive/(?:u/\d+/)?(?:mobile/)?)?folders/(?P<id>[^/]+)/?")
_OPEN_PATH = re.compile(r"(?:/drive)?(?:/u/\d+)?/open")
_OTHER_PATH = re.compile(r"/(?:document|spreadsheets|presentation|forms|drawings|file)/")


@dataclass(frozen=True)
class FolderAddress:
    """A folder's id, and the resource key that folders with old links need besides."""

    id: str
    resource_key: str | None = None


def parse_folder_url(text: str | None) -> FolderAddress:
    """The folder that the text names. Raises `FolderUrlInvalid`."""
    text = (text or "").strip()
    if not text:
        raise FolderUrlInvalid(_WHAT, "GOOGLE_DRIVE_FOLDER_URL is not set.", _NEXT)
    if _ID.fullmatch(text):
        return FolderAddress(text)
    try:
        # Without a scheme the host would be taken for a part of the path.
        url = urlsplit(text if "://" in text else f"https://{text}")
        query = parse_qs(url.query)
    except ValueError:
        raise FolderUrlInvalid(_WHAT, "It is not a URL.", _NEXT) from None
    if _OTHER_PATH.search(url.path):
        raise FolderUrlInvalid(_WHAT, "It is the address of a file or a document, not of a folder.", _NEXT)
    if match := _FOLDER_PATH.fullmatch(url.path):
        found = match["id"]
    elif _OPEN_PATH.fullmatch(url.path):
        found = query.get("id", [""])[0]
    else:
        raise FolderUrlInvalid(_WHAT, "It has no /folders/<id> in it.", _NEXT)
    if not _ID.fullmatch(found):
        raise FolderUrlInvalid(_WHAT, "What stands in the place of the folder id is not an id.", _NEXT)
    resource_key = query.get("resourcekey", [None])[0]
    if resource_key is not None and not _RESOURCE_KEY.fullmatch(resource_key):
        raise FolderUrlInvalid(_WHAT, "Its resourcekey is not whole.", _NEXT)
    return FolderAddress(found, resource_key)
