"""Sending events into rooms: what every change of a room by this server's users ends in.

Cost of a message in the monolith: one authorisation check, two passes of canonical JSON, one
signature, one append that shares its fsync with others, no database.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from base.tracing import current_request_id
from internalapi.roomserver import RoomQueries
from logs.records.room_input import AddEvent, Transaction
from matrix.errors import AuthRejected, Forbidden
from matrix.events import Event
from matrix.identifiers import EventID, RoomID
from matrix.room_versions import RoomVersion
from matrix.state_keys import CREATE, StateKey
from roomwriting.building import Draft, EventBuilder, deciding_keys
from roomwriting.chains import Chain, Chains
from roomwriting.inputs import Expected, RoomInputs
from roomwriting.outcomes import Outcome

_TRIES: Final = 4

TellGone: TypeAlias = Callable[[RoomID, Sequence[str]], Awaitable[None]]
"""Hears of users who are no longer in a room, once that stands."""


class NewRoom(NamedTuple):
    """A room that has an ID and a create event, but is not written yet."""

    room_id: RoomID
    create: Event
    chain: Chain


class _Refused(Exception):
    """The room server refused an event that was built on others under way."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.refusal)
        self.outcome = outcome


class EventSender:
    """Sends events of local users."""

    def __init__(
        self,
        *,
        rooms: RoomQueries,
        inputs: RoomInputs,
        builder: EventBuilder,
        chains: Chains,
        tell_gone: TellGone | None = None,
    ) -> None:
        """Take the chains, which follow from now on what comes of inputs."""
        self._rooms = rooms
        self._inputs = inputs
        self._builder = builder
        self._chains = chains
        self._tell_gone = tell_gone
        inputs.tell(chains)

    async def send(self, room_id: RoomID, draft: Draft) -> EventID:
        """Send one event into a room and return its ID once it stands there.

        A repeated transaction gives the first event's ID. Raises `RoomUnknown`, `Forbidden`,
        `BadJson`, `TooLarge`, `LimitExceeded`, `Unavailable` and `LogOutage`.
        """
        return (await self.send_all(room_id, [draft]))[0]

    async def send_all(self, room_id: RoomID, drafts: Sequence[Draft]) -> list[EventID]:
        """Send events that build on each other, in this order; return once all stand there.

        None is appended unless all are allowed.
        """
        for attempt in range(_TRIES):
            chain = await self._chain(room_id, drafts, may_remember=attempt == 0)
            speculative = chain.in_flight > 0
            is_fresh = not speculative and not self._chains.is_resting(chain)
            try:
                event_ids = await self._write(chain, drafts)
            except AuthRejected:
                # What is known here may lag behind what the sender was told by another process.
                if is_fresh or attempt > 0:
                    raise
                self._chains.discard(chain)
            except _Refused as refused:
                # Built on events that were refused, or beside somebody else's: another try
                # begins at what the room server says now. Events that stand already are
                # recognised by their transaction.
                if len(drafts) > 1 or (attempt > 0 and not speculative):
                    raise Forbidden(refused.outcome.refusal or "") from refused
            else:
                if self._tell_gone is not None and (gone := _gone(drafts)):
                    await self._tell_gone(room_id, gone)
                return event_ids
        raise Forbidden("The room changes too fast: try again.")

    async def prepare(self, room_id: RoomID, draft: Draft) -> Event:
        """Return an event whose ID is known, checked and built; nothing is written."""
        chain = await self._chain(room_id, [draft], may_remember=False)
        return self._builder.build(chain, draft, room_id)

    async def send_prepared(self, event: Event, transaction: Transaction) -> EventID:
        """Send an event as it was prepared, whatever the room has seen since.

        A repeated transaction gives the first event's ID. Raises what `send` does.
        """
        try:
            outcome = await self._inputs.write_one(
                event.room_id, event.event_id, _record(event, transaction)
            )
        finally:
            self._chains.forget_state(event.room_id)
        if outcome.refusal is not None:
            raise Forbidden(outcome.refusal)
        return outcome.event_id

    def new_room_id(self, version: RoomVersion) -> RoomID | None:
        """Return an ID for a new room; `None` where the create event makes it."""
        return self._builder.new_room_id(version)

    def new_room(
        self, version: RoomVersion, create: Draft, room_id: RoomID | None = None
    ) -> "NewRoom":
        """Return a room with its create event built, so that its ID is known; nothing is written.

        It gets `room_id`, unless the create event makes another one. Raises `BadJson` and
        `TooLarge`.
        """
        room_id = room_id or self.new_room_id(version)
        chain = Chain(room_id or RoomID(""), version)
        event = self._builder.build(chain, self._builder.dated(create), room_id)
        chain.room_id = event.room_id
        chain.advance(event)
        return NewRoom(event.room_id, event, chain)

    async def create(self, room: "NewRoom", drafts: Sequence[Draft]) -> list[EventID]:
        """Write a new room, all at once, and return the IDs of its events once it stands.

        Raises `AuthRejected` when the rules refuse an event: then nothing was written.
        """
        for draft in drafts:
            for key in deciding_keys(room.chain.version, draft):
                room.chain.state.setdefault(key, None)
        try:
            return await self._write(room.chain, drafts, first=room.create)
        except _Refused as refused:
            raise Forbidden(refused.outcome.refusal or "") from refused

    async def state(self, room_id: RoomID, keys: Sequence[StateKey]) -> dict[StateKey, Event]:
        """Return the current state at these keys, events under way included."""
        chain = await self._chain_with(room_id, keys)
        return {key: event for key in keys if (event := chain.state.get(key)) is not None}

    async def version(self, room_id: RoomID) -> RoomVersion:
        """Return the version of a room. Raises `RoomUnknown`."""
        return (await self._chain_with(room_id, [CREATE])).version

    def _chain(
        self, room_id: RoomID, drafts: Sequence[Draft], *, may_remember: bool
    ) -> Awaitable[Chain]:
        # Several events are not tried again, and state follows a look at what it changes.
        if len(drafts) > 1 or drafts[0].state_key is not None:
            may_remember = False
        look = self._chains.remembered if may_remember else self._chains.get
        chain = look(room_id)
        keys = {
            key
            for draft in drafts
            for key in deciding_keys(None if chain is None else chain.version, draft)
        }
        return self._chain_with(room_id, list(keys), look)

    async def _chain_with(
        self,
        room_id: RoomID,
        keys: Sequence[StateKey],
        look: Callable[[RoomID], Chain | None] | None = None,
    ) -> Chain:
        look = look or self._chains.get
        chain = look(room_id)
        while True:
            if chain is None or chain.is_stale:
                position = None if chain is None else chain.position
                head = await self._rooms.query_room_head(
                    room_id=room_id, state_keys=list(keys), not_before=position
                )
                current = look(room_id)
                # Another request may have begun a chain while this one asked: build on that.
                if current is None or current is chain or current.is_stale:
                    return Chain.of_head(head, keys)
                chain = current
            elif chain.knows(keys):
                return chain
            else:
                missing = [key for key in keys if key not in chain.state]
                head = await self._rooms.query_room_head(room_id=room_id, state_keys=missing)
                chain.learn(head, missing)
                current = look(room_id)
                if current is chain and not chain.is_stale:
                    return chain
                chain = current

    async def _write(
        self, chain: Chain, drafts: Sequence[Draft], first: Event | None = None
    ) -> list[EventID]:
        """Build, append and await the verdicts. No await comes between building and appending."""
        events, expected = self._prepare(chain, drafts, first)
        transactions = [None] * (len(events) - len(drafts)) + [one.transaction for one in drafts]
        records = [
            _record(event, transaction)
            for event, transaction in zip(events, transactions, strict=True)
        ]
        self._chains.enter(chain)
        try:
            outcomes = await self._inputs.write(chain.room_id, records, expected, chain.stands_at)
        except BaseException:
            chain.is_stale = True
            raise
        finally:
            self._chains.leave(chain)
        for outcome, event in zip(outcomes, events, strict=True):
            if outcome.refusal is not None:
                self._chains.discard(chain)
                raise _Refused(outcome)
            if outcome.event_id != event.event_id:
                # A repeat has no place in the room: nothing can refer to it.
                self._chains.discard(chain)
        return [outcome.event_id for outcome in outcomes]

    def _prepare(
        self, chain: Chain, drafts: Sequence[Draft], first: Event | None
    ) -> tuple[list[Event], Expected]:
        before = chain.mark()
        events: list[Event] = [] if first is None else [first]
        try:
            for draft in drafts:
                event = self._builder.build(chain, draft, chain.room_id)
                chain.advance(event)
                events.append(event)
            return events, self._inputs.expect([event.event_id for event in events])
        except BaseException:
            # Nothing of this is appended: those who share the chain must not build on it.
            chain.return_to(before)
            raise


def _record(event: Event, transaction: Transaction | None) -> AddEvent:
    return AddEvent(
        event_id=event.event_id,
        room_version=event.room_version.identifier,
        pdu=event.raw,
        transaction=transaction,
        request_id=current_request_id(),
    )


def _gone(drafts: Sequence[Draft]) -> list[str]:
    """Return who is not in the room after these events."""
    return [
        draft.state_key
        for draft in drafts
        if draft.type == "m.room.member"
        and draft.state_key is not None
        and draft.content.get("membership") in ("leave", "ban")
    ]
