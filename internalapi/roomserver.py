"""What other components ask the room server, the only authority on rooms."""

from typing import Protocol

import msgspec

from matrix.errors import Forbidden, NotFound
from matrix.events import Event
from matrix.identifiers import DeviceID, EventID, RoomAlias, RoomID, UserID


class TooManyAliases(Forbidden):
    """You have made as many aliases as a user may have: delete some of them first."""


class RoomUnknown(NotFound):
    """This server does not know the room."""


class InputPosition(msgspec.Struct, frozen=True, array_like=True):
    """A place in InputRoomEvent: "not before" it means once it has been processed."""

    partition: int
    offset: int


class RoomHead(msgspec.Struct, frozen=True):
    """What the next event of a room is built on."""

    room_id: RoomID
    room_version: str
    latest_event_ids: list[EventID]
    """The forward extremities: the next event's prev events."""
    reference_hashes: dict[EventID, str]
    """Of the latest events and the state, for room versions 1 and 2; empty for others."""
    depth: int
    """The depth that the next event gets."""
    state: list[Event]
    """Those of the asked state keys that the current state has, in no order."""


class StoredEvent(msgspec.Struct, frozen=True):
    """An event as the room server keeps it."""

    event: Event
    """The redacted form, when a redaction was applied."""
    is_rejected: bool = False
    is_soft_failed: bool = False
    is_outlier: bool = False
    redacted_because: EventID | None = None


class RoomMembership(msgspec.Struct, frozen=True):
    """Where a user stands in a room, by its current state."""

    room_id: RoomID
    user_id: UserID
    membership: str
    event_id: EventID


class PublishedRoom(msgspec.Struct, frozen=True):
    """What the directory of public rooms shows of a room."""

    room_id: RoomID
    joined_members: int
    world_readable: bool
    guest_can_join: bool
    join_rule: str
    name: str | None = None
    topic: str | None = None
    canonical_alias: str | None = None
    avatar_url: str | None = None
    room_type: str | None = None


class PublishedFilter(msgspec.Struct, frozen=True):
    """Which published rooms are wanted."""

    search_term: str = ""
    """What the name, topic, alias or ID of a room contains, in any case of letters."""
    room_types: list[str | None] | None = None
    """The wanted types, with `None` for rooms without one; `None` for rooms of any type."""


class PublishedStart(msgspec.Struct, frozen=True):
    """Where a page of the directory begins: after a room, or before one.

    The room may be gone meanwhile, or have other members: it stands for its place in the order.
    """

    is_forward: bool
    joined_members: int
    room_id: RoomID


class PublishedPage(msgspec.Struct, frozen=True):
    """A part of the directory, in its order."""

    rooms: list[PublishedRoom]
    total: int
    """How many rooms are wanted in all."""
    has_earlier: bool
    has_later: bool


class RoomQueries(Protocol):
    """Rooms, their state and their events. Nothing here changes anything.

    `not_before` makes an answer wait until that input has been processed, so that a writer sees
    what it wrote. Answers about a room that is not known raise `RoomUnknown`.
    """

    async def query_room_head(
        self,
        *,
        room_id: RoomID,
        state_keys: list[tuple[str, str]],
        not_before: InputPosition | None = None,
    ) -> RoomHead:
        """Return what the next event is built on, with the current state of these keys."""
        ...

    async def query_state(
        self,
        *,
        room_id: RoomID,
        before_event_id: EventID | None = None,
        types: list[str] | None = None,
        not_before: InputPosition | None = None,
    ) -> list[Event]:
        """Return the current state, or the state before an event, of all or these types.

        Raises `RoomUnknown`, also for an event that is unknown or has no known state.
        """
        ...

    async def query_events(self, *, event_ids: list[EventID]) -> list[StoredEvent]:
        """Return those of the events that are known, in the order asked."""
        ...

    async def query_membership(self, *, room_id: RoomID, user_id: UserID) -> RoomMembership | None:
        """Return where the user stands in the room; `None` for one who never was in it."""
        ...

    async def query_rooms_of_user(
        self, *, user_id: UserID, memberships: list[str]
    ) -> list[RoomMembership]:
        """Return the rooms where the user's membership is one of these, ordered by room ID."""
        ...

    async def query_members(self, *, room_id: RoomID, membership: str) -> list[UserID]:
        """Return the users with this membership, ordered by user ID."""
        ...


class EventQueries(Protocol):
    """The part of the room server's answers that those ask who only look events up."""

    async def query_events(self, *, event_ids: list[EventID]) -> list[StoredEvent]:
        """Return those of the events that are known, in the order asked."""
        ...


class LocalAliases(Protocol):
    """The part of the directory that those ask who only look rooms up."""

    async def query_alias(self, *, alias: RoomAlias) -> RoomID | None:
        """Return the room that a local alias points to."""
        ...


class RoomDirectory(Protocol):
    """Aliases of this server and the rooms that it publishes. Changes are durable on return."""

    async def query_alias(self, *, alias: RoomAlias) -> RoomID | None:
        """Return the room that a local alias points to."""
        ...

    async def query_aliases(self, *, room_id: RoomID) -> list[RoomAlias]:
        """Return the local aliases of a room, ordered."""
        ...

    async def query_alias_creator(self, *, alias: RoomAlias) -> UserID | None:
        """Return who made a local alias."""
        ...

    async def perform_create_alias(
        self, *, alias: RoomAlias, room_id: RoomID, creator: UserID
    ) -> None:
        """Point an alias to a room. Raises `RoomInUse` where the alias exists.

        Raises `TooManyAliases` where the creator has made as many as a user may.
        """
        ...

    async def perform_delete_alias(self, *, alias: RoomAlias) -> bool:
        """Remove an alias; false when there was none."""
        ...

    async def perform_publish(self, *, room_id: RoomID, is_published: bool) -> None:
        """List the room in the directory, or not."""
        ...

    async def perform_replace_room(self, *, room_id: RoomID, new_room_id: RoomID) -> None:
        """Give another room all aliases and the place in the list, at once; again changes nothing.

        Raises `RoomUnknown` for a new room that is not known.
        """
        ...

    async def query_is_published(self, *, room_id: RoomID) -> bool:
        """Return whether the directory lists the room."""
        ...

    async def query_published_page(
        self, *, wanted: PublishedFilter, start: PublishedStart | None, limit: int
    ) -> PublishedPage:
        """Return at most `limit` published rooms, most joined members first, then by room ID."""
        ...


class RoomHistoryPage(msgspec.Struct, frozen=True):
    """A part of what was announced of a room."""

    records: list[bytes]
    """Records of OutputRoomEvent, encoded, in the order in which the room server added the events.
    Redacted events come as they are now, each with the record of its redaction after it."""
    next_place: int | None
    """Where the next part begins; `None` at the end."""


class SentEvent(msgspec.Struct, frozen=True):
    """An event by which transaction its sender's device sent it."""

    event_id: EventID
    device_id: DeviceID
    transaction_id: str


class SentEventsPage(msgspec.Struct, frozen=True):
    """A part of the transactions that are still known."""

    events: list[SentEvent]
    next_place: list[str] | None
    """Where the next part begins; `None` at the end."""


class RoomHistory(Protocol):
    """What was announced of all rooms, from the long-term record: readers are rebuilt from it.

    It has nothing of the invites into rooms that this server is not in.
    """

    async def query_rooms(self, *, after: str, limit: int) -> list[RoomID]:
        """Return the first rooms after this one, ordered by ID; all begin after the empty text."""
        ...

    async def query_room_history(
        self, *, room_id: RoomID, after_place: int, limit: int
    ) -> RoomHistoryPage:
        """Return what was announced after a place, which is 0 at first, of at most `limit` events.

        A room that is not known has no history.
        """
        ...

    async def query_sent_events(self, *, after: list[str], limit: int) -> SentEventsPage:
        """Return events of all rooms with their transactions, after a place; empty at first.

        Transactions are known for as long as clients may repeat them.
        """
        ...
