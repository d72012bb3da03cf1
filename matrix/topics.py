"""The topic of a room in plain text, for lists of rooms (`m.room.topic`)."""

from collections.abc import Mapping
from typing import Any, Final

_PLAIN: Final = "text/plain"


def plain_topic(content: Mapping[str, Any]) -> str | None:
    """Return the topic as plain text; `None` where there is none.

    `m.topic` goes before the older field `topic`; where it has representations, but none of them
    is plain text, there is no topic to show.
    """
    block = content.get("m.topic")
    representations = block.get("m.text") if isinstance(block, dict) else None
    if isinstance(representations, list) and representations:
        for one in representations:
            if isinstance(one, dict) and one.get("mimetype", _PLAIN) == _PLAIN:
                return _text(one.get("body"))
        return None
    return _text(content.get("topic"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
