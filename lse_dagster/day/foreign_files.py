"""The files that file managers, editors and network disks leave beside others, and put into their zips.

In a zip these alone are left out: it may come from anywhere, and any other stranger in it is refused. In a
day folder whatever is not ours is left alone (`foreign.py`).
"""

import re
from typing import Final

_FOREIGN: Final = re.compile(
    r"""
    __MACOSX(/.*)?                              # Finder, in a zip
    | (.*/)?(
        \.DS_Store | \._.* | \.localized | Icon\r   # Finder
        | Thumbs\.db | ehthumbs\.db | desktop\.ini  # Explorer
        | \.directory | \.nfs[0-9a-f]+              # Dolphin; a file that was removed while it was open (NFS)
        | \..*\.sw[a-z] | .*~ | \.\#.* | \#.*\#     # editors
    )
    """,
    re.VERBOSE | re.DOTALL,
)


def is_foreign_file(name: str) -> bool:
    """Whether a file of this name is none of ours and no damage either: left out, whatever is in it."""
    return _FOREIGN.fullmatch(name) is not None
