"""GET /events: what comes in a user's rooms, or in one that they look into, as a stream."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Final

import msgspec

from base.database import Database
from components.syncapi.legacy.followed_rooms import (
    Followed,
    FollowQuery,
    follow_room,
    follow_rooms,
)
from components.syncapi.memory.projected import Projected
from components.syncapi.position import SyncPosition, completed, later
from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.rooms.looking import PartitionOf
from components.syncapi.sync.waiting import Check, Wait, Waiter
from components.syncapi.timeline.rendering import Reader
from components.syncapi.tokens import SyncTokens
from internalapi.userapi import Requester


class StreamQuery(msgspec.Struct, gc=False):
    """The parameters of one GET /events."""

    requester: Requester
    since: SyncPosition | None
    """None for what comes from now on."""
    room_id: str | None
    """The room to look into; None for all rooms of the user."""
    timeout_s: float
    check: Check


class EventStreams:
    """Answers GET /events; rooms end where memory is."""

    def __init__(
        self,
        *,
        projected: Projected,
        database: Database,
        tokens: SyncTokens,
        settings: SyncApiSettings,
        now_ms: Callable[[], int],
        room_partition: PartitionOf,
    ) -> None:
        self._projected: Final = projected
        self._database: Final = database
        self._tokens: Final = tokens
        self._settings: Final = settings
        self._now_ms: Final = now_ms
        self._room_partition: Final = room_partition
        self._waiter: Final = Waiter(projected, now_ms)

    async def follow(self, query: StreamQuery) -> bytes:
        """Return the answer's body, after waiting for something to tell. Raises `Forbidden`."""
        deadline = asyncio.get_running_loop().time() + query.timeout_s
        wait = Wait(query.requester, query.check, deadline)
        projected = self._projected
        start = projected.position
        if query.since is not None:
            start = completed(query.since, start)
        since = start
        user_id, room_id = query.requester.user_id, query.room_id
        looking = nullcontext() if room_id is None else projected.looking(user_id, room_id)
        with looking:
            while True:
                upto = later(projected.position, since)
                followed = await self._read(query, since, upto)
                since = followed.position
                if followed.events:
                    break
                if later(projected.position, since) == since and not await self._waiter.wait(wait):
                    break
        return b'{"start":"%b","end":"%b","chunk":[%b]}' % (
            self._tokens.encode_unconfirmed(start).encode(),
            self._tokens.encode_unconfirmed(since).encode(),
            b",".join(followed.events),
        )

    async def _read(self, query: StreamQuery, since: SyncPosition, upto: SyncPosition) -> Followed:
        follow = FollowQuery(
            Reader(query.requester.user_id, query.requester.device_id, self._now_ms()),
            since,
            upto,
            self._room_partition,
            self._settings.max_timeline_limit,
            self._settings.max_scanned_events,
        )
        # Only who is in memory can be woken.
        user = await self._projected.user(query.requester.user_id)
        if query.room_id is not None:
            read = partial(follow_room, query=follow, room_id=query.room_id)
        else:
            memberships = dict(user.rooms)
            read = partial(follow_rooms, query=follow, memberships=memberships)
        return await self._database.read(read, heavy_for=query.requester.user_id, begins_light=True)
