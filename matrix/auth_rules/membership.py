"""The rules about member events: who may join, invite, leave, kick, ban and knock."""

from matrix.auth_rules.auth_state import AuthState
from matrix.auth_rules.grammar import quoted
from matrix.auth_rules.third_party_invite import check_third_party_invite
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import is_user_id
from matrix.power_levels import creators_of


def check_member(event: Event, state: AuthState) -> None:
    """Raise `AuthRejected` unless the sender may give the target this membership."""
    target = event.state_key
    if target is None:
        raise AuthRejected("m.room.member: state_key is missing.")
    content = event.content
    if "membership" not in content:
        raise AuthRejected("m.room.member: membership is missing.")
    if event.room_version.restricted_join and "join_authorised_via_users_server" in content:
        # Its server's signature was checked with the others; only a user has such a server.
        authoriser = content["join_authorised_via_users_server"]
        if not is_user_id(authoriser):
            raise AuthRejected("m.room.member: join_authorised_via_users_server is no user ID.")
    membership = content["membership"]
    if membership == "join":
        _check_join(event, target, state)
    elif membership == "invite":
        _check_invite(event, target, state)
    elif membership == "leave":
        _check_leave(event, target, state)
    elif membership == "ban":
        _check_ban(event, target, state)
    elif membership == "knock" and event.room_version.knock:
        _check_knock(event, target, state)
    else:
        raise AuthRejected(
            f"m.room.member: {quoted(membership)} is no membership of this room version."
        )


def _check_join(event: Event, target: str, state: AuthState) -> None:
    if _is_first_join(event, target, state):
        return
    version = event.room_version
    if event.sender != target:
        raise AuthRejected(f"join: {event.sender} cannot join for {target}.")
    membership = state.membership(target)
    if membership == "ban":
        raise AuthRejected(f"join: {target} is banned.")
    join_rule = state.join_rule()
    if join_rule == "public":
        return
    by_invitation = join_rule == "invite" or (version.knock and join_rule == "knock")
    restricted = (version.restricted_join and join_rule == "restricted") or (
        version.knock_restricted and join_rule == "knock_restricted"
    )
    if not by_invitation and not restricted:
        raise AuthRejected(f"join: a user cannot join under the join rule {quoted(join_rule)}.")
    if membership in ("invite", "join"):
        return
    if by_invitation:
        raise AuthRejected(f"join: {target} is not invited.")
    _check_authoriser(event, state)


def _is_first_join(event: Event, target: str, state: AuthState) -> bool:
    """Whether the creator joins right after the create event; additional creators do not count."""
    create = state.create
    if event.prev_event_ids != (create.event_id,):
        return False
    if event.room_version.creator_is_sender:
        return target == create.sender
    return target in creators_of(create)


def _check_authoriser(event: Event, state: AuthState) -> None:
    """A restricted join needs the word of a member who may invite."""
    authoriser = event.content.get("join_authorised_via_users_server")
    if authoriser is None:
        raise AuthRejected("join: restricted, and no join_authorised_via_users_server allows it.")
    if state.membership(authoriser) != "join":
        raise AuthRejected(f"join: restricted, and {authoriser} is not in the room to allow it.")
    levels = state.power_levels
    if levels.user(authoriser) < levels.invite:
        raise AuthRejected(f"join: restricted, and {authoriser} may not invite.")


def _check_invite(event: Event, target: str, state: AuthState) -> None:
    if "third_party_invite" in event.content:
        check_third_party_invite(event, target, state)
        return
    _check_sender_joined("invite", event, state)
    membership = state.membership(target)
    if membership in ("join", "ban"):
        raise AuthRejected(f"invite: the membership of {target} is {membership} already.")
    levels = state.power_levels
    level = levels.user(event.sender)
    if level < levels.invite:
        raise AuthRejected(
            f"invite: {event.sender} has level {level}, inviting needs {levels.invite}."
        )


def _check_leave(event: Event, target: str, state: AuthState) -> None:
    sender = event.sender
    membership = state.membership(target)
    if sender == target:
        if membership in ("invite", "join"):
            return
        if membership == "knock" and event.room_version.knock:
            return
        raise AuthRejected(f"leave: {target} is not in the room, invited or knocking.")
    _check_sender_joined("kick", event, state)
    levels = state.power_levels
    level = levels.user(sender)
    if membership == "ban" and level < levels.ban:
        raise AuthRejected(f"unban: {sender} has level {level}, banning needs {levels.ban}.")
    if level < levels.kick:
        raise AuthRejected(f"kick: {sender} has level {level}, kicking needs {levels.kick}.")
    _check_outranks("kick", event, target, state)


def _check_ban(event: Event, target: str, state: AuthState) -> None:
    _check_sender_joined("ban", event, state)
    levels = state.power_levels
    level = levels.user(event.sender)
    if level < levels.ban:
        raise AuthRejected(f"ban: {event.sender} has level {level}, banning needs {levels.ban}.")
    _check_outranks("ban", event, target, state)


def _check_knock(event: Event, target: str, state: AuthState) -> None:
    join_rule = state.join_rule()
    version = event.room_version
    if join_rule != "knock" and not (version.knock_restricted and join_rule == "knock_restricted"):
        raise AuthRejected(f"knock: a user cannot knock under the join rule {quoted(join_rule)}.")
    if event.sender != target:
        raise AuthRejected(f"knock: {event.sender} cannot knock for {target}.")
    membership = state.membership(target)
    if membership in ("ban", "invite", "join"):
        raise AuthRejected(f"knock: the membership of {target} is {membership} already.")


def _check_sender_joined(rule: str, event: Event, state: AuthState) -> None:
    if state.membership(event.sender) != "join":
        raise AuthRejected(f"{rule}: {event.sender} is not in the room.")


def _check_outranks(rule: str, event: Event, target: str, state: AuthState) -> None:
    levels = state.power_levels
    if levels.user(target) >= levels.user(event.sender):
        raise AuthRejected(
            f"{rule}: {target} has level {levels.user(target)}, not below that of {event.sender}."
        )
