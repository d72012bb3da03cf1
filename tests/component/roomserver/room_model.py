"""A model of a federated room: several servers that write where they are, and what becomes of it.

Written from the specification ("Checks performed on receipt of a PDU", "Rejection", "Soft
failure"), over the authorisation rules and the state resolution of `matrix`, without anything of
the room server: whole states as dictionaries, whole histories as lists.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from matrix.auth_rules import check_auth, check_auth_events
from matrix.errors import AuthRejected
from matrix.event_format import MAX_PREV_EVENTS
from matrix.events import Event, redacts_of
from matrix.identifiers import EventID, RoomID, UserID
from matrix.power_levels import power_levels_of
from matrix.room_versions import RoomVersion
from matrix.state_keys import CREATE, POWER_LEVELS, StateKey
from matrix.state_resolution import resolve_state
from tests.component.roomserver.story import Room

State = dict[StateKey, EventID]


@dataclass
class View:
    """The room as one server has it after some events, in the order in which they came."""

    version: RoomVersion
    events: dict[EventID, Event] = field(default_factory=dict)
    """Those whose past was known, and that were judged."""
    outliers: dict[EventID, Event] = field(default_factory=dict)
    """Those that are there to authorise others; they may get their place later."""
    before: dict[EventID, State] = field(default_factory=dict)
    after: dict[EventID, State] = field(default_factory=dict)
    rejected: set[EventID] = field(default_factory=set)
    soft_failed: set[EventID] = field(default_factory=set)
    latest: list[EventID] = field(default_factory=list)
    current: State = field(default_factory=dict)

    def take(self, event: Event, *, is_old: bool = False, given: State | None = None) -> bool:
        """Judge an event; return whether its past is known, or it was known itself.

        An old event changes nothing of the present. With a `given` state before it, the past is.
        """
        if event.event_id in self.events:
            return True
        if event.type == "m.room.create":
            self._begin(event)
            return True
        before = self._state_before(event) if given is None else given
        if before is None or not {*event.auth_event_ids} <= self._known().keys():
            return False
        self.events[event.event_id] = event
        self.before[event.event_id] = self.after[event.event_id] = before
        if not self._is_allowed_where_it_stands(event, before):
            self.rejected.add(event.event_id)
            return True
        if event.is_state:
            self.after[event.event_id] = {**before, event.state_tuple: event.event_id}
        if not is_old:
            self._stand_in_the_present(event)
        return True

    def _stand_in_the_present(self, event: Event) -> None:
        if self.latest and not self._allows(event, self.current):
            self.soft_failed.add(event.event_id)
            return
        self.latest = [one for one in self.latest if one not in event.prev_event_ids]
        self.latest.append(event.event_id)
        self.current = self.resolve([self.after[one] for one in self.latest])

    def _state_before(self, event: Event) -> State | None:
        if not event.prev_event_ids or not {*event.prev_event_ids} <= self.after.keys():
            return None
        return self.resolve([self.after[one] for one in event.prev_event_ids])

    def _known(self) -> dict[EventID, Event]:
        return {**self.outliers, **self.events}

    def _create(self) -> Event:
        return next(one for one in self._known().values() if one.type == "m.room.create")

    def fork(self) -> "View":
        """Return the same, which goes its own way from now on."""
        return View(
            self.version,
            dict(self.events),
            dict(self.outliers),
            dict(self.before),
            dict(self.after),
            set(self.rejected),
            set(self.soft_failed),
            list(self.latest),
            dict(self.current),
        )

    def redacted(self) -> set[EventID]:
        """Return the events that clients see, as far as a redaction takes effect on them."""
        unseen = self.rejected | self.soft_failed
        pairs = [(one, redacts_of(one)) for one in self.events.values()]
        return {
            target
            for one, target in pairs
            if target in self.events
            and not {one.event_id, target} & unseen
            and self._may_redact(one, self.events[target])
        }

    def _may_redact(self, redaction: Event, target: Event) -> bool:
        if target.type == "m.room.create":
            return False
        if self.version.redaction_auth_rule or _server(redaction) == _server(target):
            return True
        levels_id = self.before[redaction.event_id].get(POWER_LEVELS)
        levels_event = None if levels_id is None else self._known()[levels_id]
        levels = power_levels_of(levels_event, self._create())
        return levels.user(redaction.sender) >= levels.redact

    def _begin(self, create: Event) -> None:
        self.events[create.event_id] = create
        self.before[create.event_id] = {}
        self.after[create.event_id] = {create.state_tuple: create.event_id}
        if not self.latest:
            self.current = self.after[create.event_id]
            self.latest = [create.event_id]

    def _is_allowed_where_it_stands(self, event: Event, before: State) -> bool:
        known = self._known()
        cited = [known[one] for one in event.auth_event_ids]
        by_cited = {one.state_tuple: one.event_id for one in cited if one.is_state}
        try:
            check_auth_events(event, cited, self.rejected)
        except AuthRejected:
            return False
        return self._allows(event, by_cited) and self._allows(event, before)

    def _allows(self, event: Event, state: State) -> bool:
        known = self._known()
        holders = {key: known[one] for key, one in state.items()}
        if self.version.create_event_is_room_id:
            holders[CREATE] = self._create()
        try:
            check_auth(event, holders)
        except AuthRejected:
            return False
        return True

    def resolve(self, states: Sequence[State]) -> State:
        """Return the state where branches with these states meet."""
        return resolve_state(self.version, states, _Source(self))


def _server(event: Event) -> str:
    return event.sender.partition(":")[2]


@dataclass
class _Source:
    view: View

    def events(self, event_ids: Collection[EventID], ahead: int) -> Mapping[EventID, Event]:
        del ahead
        known = {**self.view.outliers, **self.view.events}
        return {one: known[one] for one in event_ids if one in known}

    def is_rejected(self, event_id: EventID) -> bool:
        return event_id in self.view.rejected


_ODD: Final = 0.15
"""How often a server names auth events that are not those of the state."""
SERVERS: Final = ("one.test", "two.test", "three.test")
USERS: Final = tuple(UserID(f"@{name}:{server}") for server in SERVERS for name in ("ann", "ben"))


class Federation:
    """Servers that each write on what they have seen so far, and sometimes hear of each other."""

    def __init__(self, dice: Random, version: str, steps: int) -> None:
        self.dice: Final = dice
        self.room: Final = Room(version)
        self.made: Final[list[Event]] = []
        self.founder: Final = USERS[0]
        start = View(self.room.version)
        for event in self._beginning():
            assert start.take(event)
            self.made.append(event)
        self.views: Final = [start.fork() for _ in SERVERS]
        for _ in range(steps):
            self._step()

    def _beginning(self) -> list[Event]:
        room, ann = self.room, self.founder
        create: dict[str, Any] = {"room_version": room.version.identifier}
        if not room.version.creator_is_sender:
            create["creator"] = ann
        room.room_id = RoomID("!room:one.test")
        options: dict[str, Any] = {"sender": ann}
        return [
            room.next("m.room.create", create, state_key="", **options),
            room.next("m.room.member", {"membership": "join"}, state_key=ann, **options),
            room.next("m.room.power_levels", self._levels(), state_key="", **options),
            room.next("m.room.join_rules", {"join_rule": "public"}, state_key="", **options),
            *(
                room.next("m.room.member", {"membership": "join"}, state_key=user, sender=user)
                for user in USERS[1:4]
            ),
        ]

    def _levels(self) -> dict[str, Any]:
        users = {user: self.dice.choice([0, 50, 50, 100]) for user in USERS[1:4]}
        if not self.room.version.privileged_creators:
            users[self.founder] = 100
        return {"users": users}

    def _step(self) -> None:
        dice = self.dice
        number = dice.randrange(len(SERVERS))
        if dice.random() < 0.3:
            # It hears of something that another one made; what it lacks before that comes first.
            for event in self.history(dice.choice(self.made)):
                self.views[number].take(event)
            return
        event = self._write(self.views[number], number)
        self.made.append(event)
        # A server takes its own event as it is, also one that the others will refuse.
        self.views[number].take(event)

    def history(self, event: Event) -> list[Event]:
        """Return an event after all that it builds on, in an order in which they can be taken."""
        wanted, pending = {event.event_id}, [event]
        by_id = {one.event_id: one for one in self.made}
        while pending:
            one = pending.pop()
            for named in {*one.prev_event_ids, *one.auth_event_ids} - wanted:
                wanted.add(named)
                pending.append(by_id[named])
        return [one for one in self.made if one.event_id in wanted]

    def _write(self, view: View, number: int) -> Event:
        dice = self.dice
        sender = dice.choice([user for user in USERS if user.endswith(SERVERS[number])])
        kind, content, state_key, redacts = self._draft(sender)
        if dice.random() < 0.25:
            after = dice.sample(list(view.events), dice.randint(1, 2))
        else:
            after = view.latest[-MAX_PREV_EVENTS:]
        state = view.resolve([view.after[one] for one in after])
        holders = {key: view.events[one] for key, one in state.items()}
        event = self.room.build(
            kind,
            content,
            sender=sender,
            state_key=state_key,
            after=[view.events[one] for one in after],
            state=holders,
            redacts=redacts,
        )
        if dice.random() >= _ODD or not event.auth_event_ids:
            return event
        cited = [view.events[one] for one in event.auth_event_ids]
        return self.room.build(
            kind,
            content,
            sender=sender,
            state_key=state_key,
            after=[view.events[one] for one in after],
            redacts=redacts,
            auth=self._odd(cited, [one for one in view.events.values() if one.is_state]),
        )

    def _draft(self, sender: UserID) -> tuple[str, dict[str, Any], str | None, EventID | None]:
        dice = self.dice
        rule = dice.choice(["public", "invite"])
        own, others = dice.choice(["join", "leave"]), dice.choice(["ban", "leave", "invite"])
        return dice.choice(
            [
                ("m.room.message", {"body": str(dice.random())}, None, None),
                ("m.room.topic", {"topic": str(dice.random())}, "", None),
                ("m.room.power_levels", self._levels(), "", None),
                ("m.room.join_rules", {"join_rule": rule}, "", None),
                ("m.room.redaction", {}, None, dice.choice(self.made).event_id),
                ("m.room.member", {"membership": own}, sender, None),
                ("m.room.member", {"membership": others}, dice.choice(USERS), None),
            ]
        )

    def _odd(self, cited: Sequence[Event], known: Sequence[Event]) -> Sequence[Event]:
        """Return auth events that no honest server would name."""
        twice, too_few = [cited[0], *cited[:-1]], cited[:-1]
        another = [*cited[:-1], self.dice.choice(known)]
        return self.dice.choice([twice, too_few, another])
