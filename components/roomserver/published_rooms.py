"""The rooms of the directory as everybody is shown them, described again only where they change."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from base.database import Connection, paced
from base.slices import Slices
from components.roomserver.memory import Memory
from components.roomserver.published_list import ListedRoom, PublishedList
from components.roomserver.reading import RoomReader
from components.roomserver.settings import RoomServerSettings
from components.roomserver.state.snapshots import NodeName
from components.roomserver.store.directory import PublishedRow, RoomDirectoryStore
from components.roomserver.store.events import EventStore
from internalapi.roomserver import PublishedRoom
from matrix.events import Event
from matrix.identifiers import EventID, RoomID
from matrix.state_keys import CREATE, JOIN_RULES, StateKey
from matrix.topics import plain_topic

_SHOWN: Final[list[StateKey]] = [
    CREATE,
    JOIN_RULES,
    ("m.room.name", ""),
    ("m.room.topic", ""),
    ("m.room.canonical_alias", ""),
    ("m.room.avatar", ""),
    ("m.room.history_visibility", ""),
    ("m.room.guest_access", ""),
]


class _Described(NamedTuple):
    state: NodeName
    place: int
    """Of the newest event that was looked at: a later one may have redacted what is shown."""
    event_ids: Sequence[EventID]
    """What is shown comes from these; not those that were redacted already."""
    listed: ListedRoom


class PublishedRooms:
    """Descriptions of the published rooms, each as of the room's state and newest event.

    What is kept is compared with the database at each reading: it may be of any process.
    """

    def __init__(self, settings: RoomServerSettings) -> None:
        self._settings = settings
        self._described: Mapping[RoomID, _Described] = {}
        self._slices = Slices()
        self._list = PublishedList([], self._slices)

    def read(self, connection: Connection) -> PublishedList:
        """Return all published rooms as they are now."""
        rows = RoomDirectoryStore(connection).select_published()
        described = self._still_true(connection, rows)
        changed = [row for row in rows if row.room_id not in described]
        if changed or len(described) < len(self._described):
            described.update(self._describe(connection, changed))
            listed = [one.listed for one in described.values()]
            self._list = PublishedList(listed, self._slices)
        self._described = described
        return self._list

    def _still_true(
        self, connection: Connection, rows: Sequence[PublishedRow]
    ) -> dict[RoomID, _Described]:
        """Return the known descriptions of rooms whose state is the same, and not redacted."""
        same = {
            row.room_id: (row, known)
            for row in paced(connection, rows)
            if (known := self._described.get(row.room_id)) is not None and known.state == row.state
        }
        doubtful = [
            event_id
            for row, known in same.values()
            if row.last_place != known.place
            for event_id in known.event_ids
        ]
        redacted = EventStore(connection).select_redacted(doubtful)
        return {
            room_id: known._replace(place=row.last_place)
            for room_id, (row, known) in same.items()
            if row.last_place == known.place or redacted.isdisjoint(known.event_ids)
        }

    def _describe(
        self, connection: Connection, rows: Collection[PublishedRow]
    ) -> dict[RoomID, _Described]:
        # Old snapshots would only push out of memory what the rooms in use need.
        reader = RoomReader(Memory(self._settings), connection)
        joined = RoomDirectoryStore(connection).select_joined_counts([row.room_id for row in rows])
        states = [reader.state_events(row.state, _SHOWN) for row in paced(connection, rows)]
        shown = [event.event_id for state in states for event in state.values()]
        redacted = EventStore(connection).select_redacted(shown)
        return {
            row.room_id: _Described(
                row.state,
                row.last_place,
                [event.event_id for event in state.values() if event.event_id not in redacted],
                ListedRoom.of(_description(row.room_id, joined.get(row.room_id, 0), state)),
            )
            for row, state in zip(rows, states, strict=True)
        }


def _description(room_id: RoomID, joined: int, state: Mapping[StateKey, Event]) -> PublishedRoom:
    return PublishedRoom(
        room_id,
        joined,
        _text(state, "m.room.history_visibility", "history_visibility") == "world_readable",
        _text(state, "m.room.guest_access", "guest_access") == "can_join",
        _text(state, "m.room.join_rules", "join_rule") or "invite",
        _text(state, "m.room.name", "name"),
        _topic(state),
        _text(state, "m.room.canonical_alias", "alias"),
        _text(state, "m.room.avatar", "url"),
        _text(state, "m.room.create", "type"),
    )


def _topic(state: Mapping[StateKey, Event]) -> str | None:
    event = state.get(("m.room.topic", ""))
    return None if event is None else plain_topic(event.content)


def _text(state: Mapping[StateKey, Event], event_type: str, field: str) -> str | None:
    event = state.get((event_type, ""))
    value: Any = None if event is None else event.content.get(field)
    return value if isinstance(value, str) and value else None
