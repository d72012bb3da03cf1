"""The authorisation rules as a whole: `check_auth` and what it asks of every kind of event."""

from collections.abc import Mapping
from typing import TypeAlias

from matrix.auth_rules.auth_state import AuthState, Lookup
from matrix.auth_rules.create import check_create, check_federation, check_room
from matrix.auth_rules.grammar import domain_of
from matrix.auth_rules.membership import check_member
from matrix.auth_rules.power_levels import check_power_levels
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.state_keys import CREATE, StateKey

State: TypeAlias = Mapping[StateKey, Event] | Lookup
"""The state to check against: a mapping, or a function that returns `None` for what is absent."""


def check_auth(event: Event, state: State) -> None:
    """Raise `AuthRejected` unless the rules of the event's room version allow it in this state.

    A pure function of the event and of the state at `auth_state_keys` and the create event's
    key, which the state must answer in room version 12 too, with the accepted create event.
    Not its business: the list of auth events (`check_auth_events`), signatures and hashes. In
    particular the rule that a member event with `join_authorised_via_users_server` is signed
    by that user's server counts as checked, together with the event's other signatures.

    Costs a few microseconds; for a power levels event that changes many entries, and for a
    third-party invite (up to `MAX_SIGNATURE_CHECKS` signatures), more.
    """
    event_type = event.type
    if event_type == "m.room.create":
        check_create(event)
        return
    lookup = state if callable(state) else state.get
    create = lookup(CREATE)
    if create is None:
        raise AuthRejected("m.room.create: the room has no create event.")
    check_room(event, create)
    check_federation(event, create)
    version = event.room_version
    if event_type == "m.room.aliases" and version.aliases_auth_rule:
        _check_aliases(event)
        return
    auth_state = AuthState(lookup, create)
    if event_type == "m.room.member":
        check_member(event, auth_state)
        return
    _check_sender(event, auth_state)
    if event_type == "m.room.power_levels":
        check_power_levels(event, auth_state)
    elif event_type == "m.room.redaction" and version.redaction_auth_rule:
        _check_redaction(event, auth_state)


def _check_aliases(event: Event) -> None:
    """Up to room version 5, a server may list the aliases that it has for the room."""
    if event.state_key is None:
        raise AuthRejected("m.room.aliases: state_key is missing.")
    if event.state_key != domain_of(event.sender):
        raise AuthRejected("m.room.aliases: state_key is not the sender's server.")


def _check_sender(event: Event, state: AuthState) -> None:
    """What every event but a member event asks of its sender."""
    sender = event.sender
    if state.membership(sender) != "join":
        raise AuthRejected(f"sender: {sender} is not in the room.")
    levels = state.power_levels
    level = levels.user(sender)
    if event.type == "m.room.third_party_invite":
        # Decided by the invite level alone: the level of the event type is not asked.
        if level < levels.invite:
            raise AuthRejected(
                f"m.room.third_party_invite: {sender} has level {level}, "
                f"inviting needs {levels.invite}."
            )
        return
    state_key = event.state_key
    required = levels.event(event.type, is_state=state_key is not None)
    if level < required:
        raise AuthRejected(
            f"required power level: {sender} has level {level}, {event.type} needs {required}."
        )
    if state_key is not None and state_key.startswith("@") and state_key != sender:
        raise AuthRejected(f"state_key: {state_key} is another user, {sender} may not use it.")


def _check_redaction(event: Event, state: AuthState) -> None:
    """In room versions 1 and 2 the rules themselves decide who may redact."""
    levels = state.power_levels
    if levels.user(event.sender) >= levels.redact:
        return
    redacts = event.pdu.get("redacts")
    if isinstance(redacts, str) and domain_of(redacts) == domain_of(event.event_id):
        return
    raise AuthRejected(
        f"m.room.redaction: {event.sender} has level {levels.user(event.sender)}, "
        f"redacting events of other servers needs {levels.redact}."
    )
