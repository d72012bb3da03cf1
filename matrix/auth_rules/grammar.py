"""What the rules need to know of identifiers, and how they quote what an event holds."""

from typing import Any, Final

_LONGEST_QUOTE: Final = 100


def domain_of(identifier: str) -> str:
    """Return what follows the first colon of a user, room or event ID, nothing if none does.

    Unlike `server_of` it takes any string, as the rules compare domains of unchecked values.
    """
    return identifier.partition(":")[2]


def quoted(value: Any) -> str:
    """Return a value of an event's content for a message, cut short if it is long."""
    text = value if isinstance(value, str) else repr(value)
    return f"'{text[:_LONGEST_QUOTE]}…'" if len(text) > _LONGEST_QUOTE else f"'{text}'"
