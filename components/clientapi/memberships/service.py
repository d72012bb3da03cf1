"""Changes of membership: join, knock, invite, leave, kick, ban, unban.

What is checked here gives clients good messages; the authorisation rules have the last word when
the event is built.
"""

from collections.abc import Mapping
from typing import Any, Final

from components.clientapi.memberships.forgetting import RoomForgetting, UserStillInRoom
from components.clientapi.memberships.guests import GuestRemoval
from components.clientapi.memberships.restricted_joins import RestrictedJoins, is_restricted
from components.clientapi.profiles.member_profiles import (
    MEMBER_FIELDS,
    MemberProfiles,
    checked_member_field,
)
from components.clientapi.profiles.shown_profiles import ShownProfiles
from components.clientapi.rates import ClientApiRates
from components.clientapi.rooms.successors import Successors
from internalapi.userapi import Requester
from matrix.errors import BadJson, Forbidden, GuestAccessForbidden, NotFound
from matrix.identifiers import EventID, RoomID, UserID
from matrix.state_keys import CREATE, JOIN_RULES, POWER_LEVELS, member_key
from roomwriting.building import Draft
from roomwriting.current_state import GUEST_ACCESS, State, field_of, membership_of
from roomwriting.sending import EventSender

_SET_BY_SERVERS: Final = frozenset({"membership", "join_authorised_via_users_server"})
_IN_ROOM: Final = frozenset({"join", "invite", "knock"})


class MembershipService:
    """Changes memberships in the name of a local user.

    Each method returns the ID of the member event that holds then: where nothing had to change,
    the one that was there. `content` is what the client adds to the event, such as `reason`.
    """

    def __init__(
        self,
        *,
        sender: EventSender,
        profiles: MemberProfiles,
        shown: ShownProfiles,
        restricted_joins: RestrictedJoins,
        forgetting: RoomForgetting,
        guests: GuestRemoval,
        successors: Successors,
        rates: ClientApiRates,
    ) -> None:
        self._sender = sender
        self._profiles = profiles
        self._shown = shown
        self._restricted_joins = restricted_joins
        self._forgetting = forgetting
        self._guests = guests
        self._successors = successors
        self._rates = rates

    async def join(
        self,
        requester: Requester,
        room_id: RoomID,
        content: Mapping[str, Any],
        *,
        again: bool = False,
    ) -> EventID:
        """Join; one who is in the room gets another event only with `again`."""
        user_id = requester.user_id
        own = member_key(user_id)
        state = await self._sender.state(
            room_id, [CREATE, POWER_LEVELS, JOIN_RULES, GUEST_ACCESS, own]
        )
        membership = membership_of(state, user_id)
        if membership == "join" and not again:
            return state[own].event_id
        if membership == "ban":
            raise Forbidden("You are banned from this room.")
        if requester.is_guest and field_of(state, GUEST_ACCESS, "guest_access") != "can_join":
            raise GuestAccessForbidden("Guests cannot join this room.")
        self._rates.check_join(user_id)
        granted: dict[str, Any] = {}
        if membership not in ("join", "invite"):
            granted = await self._grant(room_id, state, user_id)
        # Before the join: a request that fails here is repeated, and a join is not.
        is_done = membership == "join" or await self._successors.entered(
            user_id, room_id, state[CREATE]
        )
        event_id = await self._send_own(requester, room_id, "join", {**_given(content), **granted})
        if not is_done:
            # The predecessor's tombstone may have come meanwhile, when the user was not in yet.
            await self._successors.entered(user_id, room_id, state[CREATE])
        if requester.is_guest:
            await self._guests.remove_if_closed(room_id, user_id)
        return event_id

    async def _grant(self, room_id: RoomID, state: State, user_id: UserID) -> dict[str, Any]:
        """Return what the join of one who is not invited needs in its event."""
        join_rule = field_of(state, JOIN_RULES, "join_rule")
        if join_rule == "public":
            return {}
        if not is_restricted(state[CREATE].room_version, join_rule):
            raise Forbidden("You are not invited to this room.")
        authoriser = await self._restricted_joins.authoriser(room_id, state, user_id)
        return {"join_authorised_via_users_server": authoriser}

    async def knock(
        self, requester: Requester, room_id: RoomID, content: Mapping[str, Any]
    ) -> EventID:
        """Ask to be invited; one who has asked already can ask again for another reason."""
        user_id = requester.user_id
        own = member_key(user_id)
        state = await self._sender.state(room_id, [own])
        membership = membership_of(state, user_id)
        reason = content.get("reason")
        if membership == "knock" and reason in (None, state[own].content.get("reason")):
            return state[own].event_id
        if membership in ("join", "invite", "ban"):
            raise Forbidden(f"You cannot knock: your membership is {membership}.")
        self._rates.check_join(user_id)
        return await self._send_own(requester, room_id, "knock", _given(content))

    async def leave(
        self, requester: Requester, room_id: RoomID, content: Mapping[str, Any]
    ) -> EventID:
        """Leave, reject an invite, or take back a knock."""
        user_id = requester.user_id
        own = member_key(user_id)
        state = await self._sender.state(room_id, [own])
        membership = membership_of(state, user_id)
        if membership == "leave":
            return state[own].event_id
        if membership not in _IN_ROOM:
            raise Forbidden("You are not in this room.")
        return await self._send(requester, room_id, user_id, "leave", _given(content))

    async def invite(
        self, requester: Requester, room_id: RoomID, target: UserID, content: Mapping[str, Any]
    ) -> EventID:
        """Invite a user; one who is invited already gets no other event."""
        state = await self._state_of_both(requester, room_id, target)
        membership = membership_of(state, target)
        if membership == "invite":
            return state[member_key(target)].event_id
        if membership == "join":
            raise Forbidden(f"{target} is already in the room.")
        if membership == "ban":
            raise Forbidden(f"{target} is banned from the room.")
        await self._profiles.require_invitable(target)
        copied = await self._shown.copy(target)
        self._rates.check_invites(requester.user_id)
        whole = {**copied.shown, **_given_of_other(content)}
        event_id = await self._send(requester, room_id, target, "invite", whole)
        await self._shown.correct(room_id, target, copied)
        return event_id

    async def kick(
        self, requester: Requester, room_id: RoomID, target: UserID, content: Mapping[str, Any]
    ) -> EventID:
        """Remove a user from the room, or take back an invite, or refuse a knock."""
        state = await self._state_of_both(requester, room_id, target)
        if membership_of(state, target) not in _IN_ROOM:
            raise Forbidden(f"{target} is not in the room.")
        return await self._send(requester, room_id, target, "leave", _given_of_other(content))

    async def ban(
        self, requester: Requester, room_id: RoomID, target: UserID, content: Mapping[str, Any]
    ) -> EventID:
        """Ban a user, who need not be in the room."""
        await self._state_of_both(requester, room_id, target)
        return await self._send(requester, room_id, target, "ban", _given_of_other(content))

    async def unban(
        self, requester: Requester, room_id: RoomID, target: UserID, content: Mapping[str, Any]
    ) -> EventID:
        """Lift a ban."""
        state = await self._state_of_both(requester, room_id, target)
        if membership_of(state, target) != "ban":
            raise Forbidden(f"{target} is not banned from the room.")
        return await self._send(requester, room_id, target, "leave", _given_of_other(content))

    async def set_membership(
        self, requester: Requester, room_id: RoomID, target: UserID, content: Mapping[str, Any]
    ) -> EventID:
        """Set a membership as if by its own endpoint: what a member event as state asks for."""
        if target == requester.user_id:
            return await self._set_own(requester, room_id, content)
        match content.get("membership"):
            case "leave":
                state = await self._sender.state(room_id, [member_key(target)])
                is_banned = membership_of(state, target) == "ban"
                lift = self.unban if is_banned else self.kick
                return await lift(requester, room_id, target, content)
            case "invite":
                return await self.invite(requester, room_id, target, content)
            case "ban":
                return await self.ban(requester, room_id, target, content)
            case "join" | "knock":
                raise Forbidden("You cannot join or knock for another user.")
        raise _unknown_membership()

    async def _set_own(
        self, requester: Requester, room_id: RoomID, content: Mapping[str, Any]
    ) -> EventID:
        match content.get("membership"):
            case "join":
                return await self.join(requester, room_id, content, again=True)
            case "knock":
                return await self.knock(requester, room_id, content)
            case "leave":
                return await self.leave(requester, room_id, content)
            case "invite" | "ban":
                raise Forbidden("You cannot invite or ban yourself.")
        raise _unknown_membership()

    async def forget(self, requester: Requester, room_id: RoomID) -> None:
        """Let the requester forget a room that they have left.

        Raises `UserStillInRoom`, and `NotFound` where they have never been.
        """
        self._rates.check_send(requester.user_id)
        state = await self._sender.state(room_id, [member_key(requester.user_id)])
        membership = membership_of(state, requester.user_id)
        if membership is None:
            raise NotFound("You have never been in this room.")
        if membership in _IN_ROOM:
            raise UserStillInRoom(f"User {requester.user_id} is in room {room_id}.")
        await self._forgetting.forget(room_id, requester.user_id)

    async def _state_of_both(self, requester: Requester, room_id: RoomID, target: UserID) -> State:
        """Return the memberships that decide what one user does to another."""
        user_id = requester.user_id
        state = await self._sender.state(room_id, [member_key(user_id), member_key(target)])
        if membership_of(state, user_id) != "join":
            raise Forbidden("You are not in this room.")
        return state

    async def _send_own(
        self, requester: Requester, room_id: RoomID, membership: str, content: Mapping[str, Any]
    ) -> EventID:
        user_id = requester.user_id
        copied = await self._shown.copy_own(user_id)
        whole = {**copied.shown, **content}
        event_id = await self._send(requester, room_id, user_id, membership, whole)
        await self._shown.correct(room_id, user_id, copied)
        return event_id

    async def _send(
        self,
        requester: Requester,
        room_id: RoomID,
        target: UserID,
        membership: str,
        content: Mapping[str, Any],
    ) -> EventID:
        return await self._sender.send(
            room_id,
            Draft(
                "m.room.member",
                requester.user_id,
                {**content, "membership": membership},
                state_key=target,
            ),
        )


def _unknown_membership() -> BadJson:
    return BadJson("The membership is none of join, knock, invite, leave and ban.")


def _given(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client may say in a member event, checked."""
    given = {name: value for name, value in content.items() if name not in _SET_BY_SERVERS}
    for name in MEMBER_FIELDS:
        if name in given:
            value = checked_member_field(name, given.pop(name))
            if value is not None:
                given[name] = value
    if not isinstance(given.get("reason", ""), str):
        raise BadJson("The reason is not a string.")
    return given


def _given_of_other(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client may say of another user: everybody gives themselves their name."""
    return _given({name: content[name] for name in content if name not in MEMBER_FIELDS})
