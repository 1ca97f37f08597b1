"""The browser of who sits at the terminal."""

import webbrowser


def open_in_browser(url: str) -> bool:
    """Whether a browser took it."""
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
