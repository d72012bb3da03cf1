"""Building and signing events on what is known of their room."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from base.clock import Clock
from logs.records.room_input import Transaction
from matrix.auth_rules import auth_state_keys, check_auth
from matrix.building import build_event
from matrix.events import Event
from matrix.identifiers import EventID, RoomID, ServerName, UserID
from matrix.room_versions import DEFAULT_ROOM_VERSION, RoomVersion, room_version
from matrix.signing import SigningKey
from matrix.state_keys import CREATE, StateKey
from roomwriting.chains import Chain

_NEWEST: Final = room_version(DEFAULT_ROOM_VERSION)


class Draft(msgspec.Struct, frozen=True):
    """An event that is wanted, before it has a place in the room's graph."""

    type: str
    sender: UserID
    content: Mapping[str, Any]
    state_key: str | None = None
    redacts: EventID | None = None
    transaction: Transaction | None = None
    origin_server_ts: int | None = None
    """Milliseconds; now, if not given."""


class EventBuilder:
    """Makes events of drafts, in the name of this server."""

    def __init__(self, server_name: ServerName, key: SigningKey, clock: Clock) -> None:
        self._server_name = server_name
        self._key = key
        self._clock = clock
        self._last_creation_ms = 0

    def build(self, chain: Chain, draft: Draft, room_id: RoomID | None) -> Event:
        """Return the event that comes next in a room, checked and signed.

        `room_id` is `None` for a create event that makes it. Raises `AuthRejected` where the rules
        refuse it by the state of the chain, `BadJson` and `TooLarge`.
        """
        version = chain.version
        auth_events = [
            event.event_id
            for key in _auth_keys(version, draft)
            if (event := chain.state.get(key)) is not None
        ]
        event = build_event(
            version=version,
            room_id=room_id,
            type=draft.type,
            sender=draft.sender,
            content=draft.content,
            state_key=draft.state_key,
            origin_server_ts=draft.origin_server_ts or self._clock.now_ms(),
            depth=chain.depth,
            prev_events=chain.latest,
            auth_events=auth_events,
            redacts=draft.redacts,
            server_name=self._server_name,
            key=self._key,
            event_id_suffix=secrets.token_urlsafe(18) if version.has_event_id_field else None,
            reference_hashes=chain.reference_hashes,
        )
        check_auth(event, chain.state.get)
        return event

    def new_room_id(self, version: RoomVersion) -> RoomID | None:
        """Return an ID for a new room; `None` where the create event makes it."""
        if version.create_event_is_room_id:
            return None
        return RoomID(f"!{secrets.token_urlsafe(13)}:{self._server_name}")

    def dated(self, create: Draft) -> Draft:
        """Return the draft of a create event with a time that no other one of this process has.

        From room version 12 on the room's ID is a hash: rooms that one user creates within the
        same millisecond must not have the same create event.
        """
        self._last_creation_ms = max(self._clock.now_ms(), self._last_creation_ms + 1)
        return msgspec.structs.replace(create, origin_server_ts=self._last_creation_ms)


def deciding_keys(version: RoomVersion | None, draft: Draft) -> list[StateKey]:
    """Return the state that decides about a draft; with no version, in any version."""
    keys = _auth_keys(version or _NEWEST, draft)
    return keys if CREATE in keys else [CREATE, *keys]


def _auth_keys(version: RoomVersion, draft: Draft) -> list[StateKey]:
    return auth_state_keys(
        version,
        type=draft.type,
        sender=draft.sender,
        state_key=draft.state_key,
        content=draft.content,
    )
