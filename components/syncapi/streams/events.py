"""Events of account data, and lists of events as sections of an answer."""

from collections.abc import Sequence
from typing import Final

import orjson

from components.syncapi.changes import AccountDatum
from matrix.filters import EventFilter

_NO_EVENTS: Final = b'{"events":[]}'


def render_events(events: Sequence[bytes]) -> bytes:
    """Return the value of a section that is a list of events."""
    return b'{"events":[' + b",".join(events) + b"]}" if events else _NO_EVENTS


def wants(event_filter: EventFilter, datum: AccountDatum) -> bool:
    """Whether a filter lets account data through; its limit does not count here."""
    return event_filter.is_pass_all or event_filter.matches(
        datum.type, datum.user_id, datum.room_id or None, {}
    )


def render_datum(datum: AccountDatum) -> bytes:
    """Return account data as an event."""
    return b'{"type":%b,"content":%b}' % (orjson.dumps(datum.type), datum.content)
