"""Children of a space: which events name one, and in which order they stand.

Client-server API, "Spaces".
"""

from collections.abc import Mapping
from typing import Any, Final

SPACE: Final = "m.space"
"""The type of rooms that are spaces."""
_ORDER_CHARACTERS_MAX: Final = 50


def names_child(content: Mapping[str, Any]) -> bool:
    """Return whether an `m.space.child` event says that the room of its state key is a child."""
    via = content.get("via")
    return isinstance(via, list) and any(isinstance(server, str) for server in via)


def child_order(
    content: Mapping[str, Any], origin_server_ts: int, room_id: str
) -> tuple[bool, str, int, str]:
    """Return what children of a space are sorted by.

    Those with a valid `order` come first, by it; then by the time of the event, then by room ID.
    """
    order = content.get("order")
    if not isinstance(order, str) or not is_valid_order(order):
        return True, "", origin_server_ts, room_id
    return False, order, origin_server_ts, room_id


def is_valid_order(order: str) -> bool:
    """Return whether a string is an order: up to 50 characters from space to tilde."""
    return len(order) <= _ORDER_CHARACTERS_MAX and all(" " <= one <= "~" for one in order)
