"""Which state events authorise an event, and the rules about its list of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.room_versions import RoomVersion
from matrix.state_keys import CREATE, JOIN_RULES, POWER_LEVELS, StateKey, member_key


def auth_state_keys(
    version: RoomVersion,
    *,
    type: str,  # noqa: A002 - the spec's name
    sender: str,
    state_key: str | None,
    content: Mapping[str, Any],
) -> list[StateKey]:
    """Return the keys of the state that belongs into an event's `auth_events`, none twice.

    Server-server API, "Auth events selection". A key that the state does not hold is left out
    by whoever builds the event. From room version 12 on the create event is not among them,
    although the rules need it: the room ID stands for it.
    """
    if type == "m.room.create":
        return []
    sender_key = member_key(sender)
    keys = [POWER_LEVELS, sender_key]
    if not version.create_event_is_room_id:
        keys.insert(0, CREATE)
    if type == "m.room.member" and state_key is not None:
        for key in _keys_of_member_event(version, state_key, content):
            if key not in keys:
                keys.append(key)
    return keys


def _keys_of_member_event(
    version: RoomVersion, target: str, content: Mapping[str, Any]
) -> list[StateKey]:
    keys = [member_key(target)]
    membership = content.get("membership")
    if membership in ("join", "invite", "knock"):
        keys.append(JOIN_RULES)
    if membership == "invite":
        token = third_party_token(content)
        if token is not None:
            keys.append(("m.room.third_party_invite", token))
    if membership == "join" and version.restricted_join:
        authoriser = content.get("join_authorised_via_users_server")
        if isinstance(authoriser, str):
            keys.append(member_key(authoriser))
    return keys


def third_party_token(content: Mapping[str, Any]) -> str | None:
    """Return `third_party_invite.signed.token` of an invite, or `None` if it has none."""
    invite = content.get("third_party_invite")
    signed = invite.get("signed") if isinstance(invite, Mapping) else None
    token = signed.get("token") if isinstance(signed, Mapping) else None
    return token if isinstance(token, str) else None


def check_auth_events(
    event: Event, auth_events: Sequence[Event], rejected: Collection[EventID] = ()
) -> None:
    """Raise `AuthRejected` unless the event's list of auth events is as the rules want it.

    `auth_events` are the events of `event.auth_event_ids`, all of them (a caller that cannot
    get one has no business here yet), and `rejected` the IDs of those that were rejected
    themselves. Asks nothing of a create event, which the rules settle before this one.
    """
    if event.type == "m.room.create":
        return
    version = event.room_version
    selected = auth_state_keys(
        version,
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        content=event.content,
    )
    seen: set[StateKey] = set()
    for auth_event in auth_events:
        key = (auth_event.type, auth_event.state_key or "")
        if key in seen:
            raise AuthRejected(f"auth_events: there are two events for {key}.")
        if auth_event.state_key is None or key not in selected:
            raise AuthRejected(f"auth_events: {key} does not belong into those of this event.")
        if auth_event.event_id in rejected:
            raise AuthRejected(f"auth_events: {auth_event.event_id} was itself rejected.")
        if auth_event.room_id != event.room_id:
            raise AuthRejected(f"auth_events: {auth_event.event_id} is of another room.")
        seen.add(key)
    if not version.create_event_is_room_id and CREATE not in seen:
        raise AuthRejected("auth_events: the create event is missing.")
