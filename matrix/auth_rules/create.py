"""The rules about the create event, and about those who are bound to it."""

from matrix.auth_rules.grammar import domain_of, quoted
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import is_user_id
from matrix.room_versions import ROOM_VERSIONS


def check_create(event: Event) -> None:
    """Raise `AuthRejected` unless this create event may start its room."""
    version = event.room_version
    content = event.content
    if event.prev_event_ids:
        raise AuthRejected("m.room.create: a create event has no prev_events.")
    if version.create_event_is_room_id:
        if "room_id" in event.pdu:
            raise AuthRejected("m.room.create: it may not carry a room_id, its hash is the ID.")
    elif domain_of(event.room_id) != domain_of(event.sender):
        raise AuthRejected("m.room.create: the room ID is not of the sender's server.")
    named_version = content.get("room_version", "1")
    if not isinstance(named_version, str) or named_version not in ROOM_VERSIONS:
        raise AuthRejected(f"m.room.create: {quoted(named_version)} is no known room version.")
    if not version.creator_is_sender and "creator" not in content:
        raise AuthRejected("m.room.create: creator is missing.")
    if version.privileged_creators and "additional_creators" in content:
        additional = content["additional_creators"]
        if not isinstance(additional, list) or not all(map(is_user_id, additional)):
            raise AuthRejected("m.room.create: additional_creators is no list of user IDs.")


def check_room(event: Event, create: Event) -> None:
    """Raise `AuthRejected` unless the event is of the room that this create event started."""
    if event.room_version.create_event_is_room_id:
        if event.room_id[:1] != "!" or event.room_id[1:] != create.event_id[1:]:
            raise AuthRejected(f"room_id: {event.room_id} is not the ID of the create event.")
    elif event.room_id != create.room_id:
        raise AuthRejected(f"room_id: the create event is not of {event.room_id}.")


def check_federation(event: Event, create: Event) -> None:
    """Raise `AuthRejected` if the room is kept to one server and the sender is of another."""
    if create.content.get("m.federate") is False and domain_of(event.sender) != domain_of(
        create.sender
    ):
        raise AuthRejected("m.federate: this room does not take users of other servers.")
