"""Letting local users leave in their own name, without their asking."""

from typing import Final

from matrix.identifiers import RoomID, UserID
from matrix.state_keys import member_key
from roomwriting.building import Draft
from roomwriting.current_state import membership_of
from roomwriting.sending import EventSender

LEFT: Final = ("join", "invite", "knock")
"""The memberships that end with it."""


async def leave_room(sender: EventSender, room_id: RoomID, user_id: UserID) -> None:
    """Leave a room, reject an invite or retract a knock; without any, nothing happens.

    Raises what sending does.
    """
    state = await sender.state(room_id, [member_key(user_id)])
    if membership_of(state, user_id) in LEFT:
        content = {"membership": "leave"}
        await sender.send(room_id, Draft("m.room.member", user_id, content, state_key=user_id))
