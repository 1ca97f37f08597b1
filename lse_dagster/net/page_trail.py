"""The way through a list that comes page by page, and whether it gets anywhere: for lists of any service.

Only a missing token ends a list, and an empty page with one goes on: both have cost other tools what came
after. But a token or a page that comes again, and empty pages without end, would loop for ever.
"""

from collections.abc import Callable, Iterable

import xxhash

_MOST_EMPTY_PAGES = 100
"""One in a list is known to happen; so many is a list that never ends."""


class PageTrail:
    """The pages of one list so far; a few bytes for each. `refusal` makes the error from what came."""

    def __init__(self, refusal: Callable[[str], Exception]) -> None:
        self._refusal = refusal
        self._tokens: set[bytes] = set()
        self._pages: set[bytes] = set()
        self._empty_pages = 0

    def after(self, token: str | None, ids: Iterable[str]) -> str | None:
        """The token that came with a page of these, or None: that was the last page.

        Raises the refusal for a token or a page that was there before, and for empty pages without end.
        """
        if not token:
            return None
        if (seen := _digest([token])) in self._tokens:
            raise self._goes_in_circles("the same cursor twice")
        self._tokens.add(seen)
        # By its ids: presigned URLs make the bytes of an item differ each time.
        if not (listed := sorted(ids)):
            self._empty_pages += 1
            if self._empty_pages > _MOST_EMPTY_PAGES:
                raise self._goes_in_circles(f"{_MOST_EMPTY_PAGES} empty pages, and a cursor with each")
        elif (page := _digest(listed)) in self._pages:
            raise self._goes_in_circles("the same page again under another cursor")
        else:
            self._pages.add(page)
        return token

    def _goes_in_circles(self, what_came: str) -> Exception:
        return self._refusal(f"{what_came}, at page {len(self._tokens) + 1:,}")


def _digest(words: Iterable[str]) -> bytes:
    return xxhash.xxh3_128_digest("\n".join(words).encode(errors="surrogatepass"))
