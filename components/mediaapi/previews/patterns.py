"""URLs that are never fetched, by patterns with `*` for any characters."""

from collections.abc import Sequence
from typing import Final

from yarl import URL


class UrlPatterns:
    """Patterns of hosts, where there is no slash in them, and of whole URLs."""

    def __init__(self, patterns: Sequence[str]) -> None:
        lower = [pattern.lower() for pattern in patterns]
        self._hosts: Final = [one.split("*") for one in lower if "/" not in one]
        self._urls: Final = [one.split("*") for one in lower if "/" in one]

    def match(self, url: URL) -> bool:
        """Tell whether one of the patterns matches."""
        host = (url.raw_host or "").lower().rstrip(".")
        if any(_matches(parts, host) for parts in self._hosts):
            return True
        port = "" if url.is_default_port() else f":{url.port}"
        # A path may be written in more than one way.
        forms = {f"{url.scheme}://{host}{port}{path}".lower() for path in _paths(url)}
        return any(_matches(parts, form) for parts in self._urls for form in forms)


def _paths(url: URL) -> tuple[str, str]:
    return url.raw_path_qs, url.path_qs


def _matches(parts: Sequence[str], text: str) -> bool:
    """Tell whether a text has these parts, with anything between: in one pass, without trying."""
    first, *others = parts
    if not others:
        return text == first
    *between, last = others
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in between:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
