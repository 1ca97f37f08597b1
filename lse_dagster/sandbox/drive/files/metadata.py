"""The body of files.create and files.update: what a caller may say about a file."""

from datetime import datetime

import msgspec

from lse_dagster.sandbox.drive.errors import DriveError, invalid
from lse_dagster.sandbox.drive.store import timestamp

LIMIT = 1024 * 1024
_PROPERTY_BYTES = 124
PROPERTIES = 30
_READ_ONLY = frozenset(
    {
        *("size", "md5Checksum", "sha1Checksum", "sha256Checksum", "headRevisionId", "version"),
        *("webViewLink", "webContentLink", "thumbnailLink", "fileExtension", "fullFileExtension"),
        *("owners", "ownedByMe", "shared", "permissions", "permissionIds", "capabilities"),
        *("driveId", "teamDriveId", "spaces", "lastModifyingUser", "quotaBytesUsed", "explicitlyTrashed"),
    }
)


class Metadata(msgspec.Struct, rename="camel", kw_only=True):
    """The writable fields. An absent one and a null one both mean: leave it."""

    id: str | None = None
    name: str | None = None
    mime_type: str | None = None
    parents: list[str] | None = None
    description: str | None = None
    app_properties: dict[str, str | None] | None = None
    properties: dict[str, str | None] | None = None
    created_time: str | None = None
    modified_time: str | None = None
    original_filename: str | None = None
    starred: bool | None = None
    trashed: bool | None = None


def parse_metadata(body: bytes) -> Metadata:
    """The metadata in a request body; an empty body says nothing."""
    try:
        body.decode()  # msgspec does not look into what it skips
        raw = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(body or b"{}", type=Metadata)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DriveError(400, "parseError", f"Parse Error: {error}") from None
    if _READ_ONLY & raw.keys():
        raise not_writable("The resource body includes fields which are not directly writable.")
    for name in ("created_time", "modified_time"):
        if (text := getattr(metadata, name)) is not None:
            setattr(metadata, name, _moment(text))
    _check_properties(metadata.app_properties)
    _check_properties(metadata.properties)
    return metadata


def not_writable(message: str) -> DriveError:
    """A field that this request may not set."""
    return DriveError(403, "fieldNotWritable", message)


def _moment(text: str) -> str:
    try:
        return timestamp(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise invalid("file", f"Invalid value for a date-time: {text}") from None


def _check_properties(properties: dict[str, str | None] | None) -> None:
    if properties is None:
        return
    if len(properties) > PROPERTIES:
        raise invalid("file", f"A file has at most {PROPERTIES} properties of one app.")
    for key, value in properties.items():
        if len(key.encode()) + len((value or "").encode()) > _PROPERTY_BYTES:
            raise invalid(
                "file", f"A property's key and value have at most {_PROPERTY_BYTES} bytes together."
            )
