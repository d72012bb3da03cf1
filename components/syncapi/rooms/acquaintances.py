"""Which users somebody may find: those in a room with them, and those in public rooms."""

from collections.abc import Collection
from typing import Final

from base.database import Connection
from components.syncapi.spaces.previews import select_previews
from components.syncapi.store.membership import select_joined_rooms

_ROOMS_LOOKED_AT: Final = 1_000


def select_acquaintances(connection: Connection, user_id: str, others: Collection[str]) -> set[str]:
    """Return those of the others whom the user can meet: in a shared or in a public room.

    A room is public if anybody can join or read it. No more than 1,000 rooms are looked at for
    that; who is in none of these only, is not found.
    """
    rooms = select_joined_rooms(connection, [user_id, *others])
    own = rooms.get(user_id, set())
    known = {other for other in others if not own.isdisjoint(rooms.get(other, ()))}
    unknown = {other: rooms[other] for other in others if other in rooms and other not in known}
    candidates = sorted({room_id for joined in unknown.values() for room_id in joined})
    public = {
        room_id
        for room_id, preview in select_previews(connection, candidates[:_ROOMS_LOOKED_AT]).items()
        if preview.join_rule == "public" or preview.is_world_readable
    }
    return known | {other for other, joined in unknown.items() if not public.isdisjoint(joined)}
