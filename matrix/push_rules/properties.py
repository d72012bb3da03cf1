"""An event as push rules look at it, and its properties by dot-separated paths."""

from collections.abc import Mapping
from typing import Any, Final

from matrix.push_rules.patterns import LONGEST_TEXT

Path = tuple[str, ...]

ABSENT: Final = object()
"""What a path leads to that the event does not have."""

_NO_CONTENT: Final[Mapping[str, Any]] = {}


def split_path(key: str) -> Path:
    r"""Return the parts of a path; `\.` is a dot and `\\` a backslash in a part.

    A backslash before anything else stands for itself (appendices, "Dot-separated property
    paths").
    """
    if "\\" not in key:
        return tuple(key.split("."))
    parts: list[str] = []
    part = ""
    characters = iter(key)
    for character in characters:
        if character == ".":
            parts.append(part)
            part = ""
        elif character == "\\":
            escaped = next(characters, "")
            part += escaped if escaped in {".", "\\"} else character + escaped
        else:
            part += character
    return (*parts, part)


class PushEvent:
    """An event whose rules are looked for; what several rules ask of it is found once."""

    __slots__ = ("content", "has_mentions", "json", "lower_body", "lower_type", "sender", "type")

    def __init__(self, json: Mapping[str, Any]) -> None:
        """Take the event's client form, with its room ID."""
        self.json: Final = json
        self.type: Final[str] = json["type"]
        self.lower_type: Final = self.type.lower()
        self.sender: Final[str] = json["sender"]
        content = json.get("content")
        self.content: Final[Mapping[str, Any]] = content if type(content) is dict else _NO_CONTENT
        self.has_mentions: Final = "m.mentions" in self.content
        body = self.content.get("body")
        self.lower_body: Final = body[:LONGEST_TEXT].lower() if type(body) is str else None

    def find(self, path: Path) -> Any:
        """Return what stands at a path, or `ABSENT`."""
        found: Any = self.json
        for part in path:
            if type(found) is not dict or part not in found:
                return ABSENT
            found = found[part]
        return found
