"""Puts the parts of rooms together, from what all streams have told of them."""

from collections.abc import Mapping
from typing import Final

from base.slices import Slices
from components.syncapi.position import ROOMS
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.events import render_events
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.looking import PartitionOf
from components.syncapi.tokens import SyncTokens

_NOTHING_MORE: Final = b'"account_data":{"events":[]},"ephemeral":{"events":[]}}'


class RoomParts:
    """Completes the parts of an answer's rooms."""

    def __init__(self, tokens: SyncTokens, room_partition: PartitionOf, slices: Slices) -> None:
        self._slices: Final = slices
        self._tokens: Final = tokens
        self._room_partition: Final = room_partition

    async def complete(
        self, request: SyncRequest, answer: SyncAnswer, unread: Mapping[str, bytes]
    ) -> None:
        """Add to each part what belongs to it, and parts of rooms that had none.

        `unread` has the unread counts of all these rooms.
        """
        whole: list[tuple[str, bytes]] = []
        for room_id, part in answer.join:
            await self._slices.next()
            rest = _rest(answer, room_id)
            whole.append((room_id, b"%b,%b,%b" % (part[:-1], unread[room_id], rest)))
        if answer.ephemeral or answer.account_data or answer.recounted:
            further = dict.fromkeys(
                [*answer.ephemeral, *answer.account_data, *sorted(answer.recounted)]
            )
            there = {room_id for room_id, _ in whole}
            for room_id in further:
                if room_id not in there and room_id in unread:
                    await self._slices.next()
                    quiet, rest = self._quiet(request, room_id), _rest(answer, room_id)
                    whole.append((room_id, b"%b,%b,%b" % (quiet, unread[room_id], rest)))
        answer.join = whole
        answer.leave = [
            (room_id, b"%b,%b}" % (part[:-1], _account_data(answer, room_id)))
            for room_id, part in answer.leave
        ]

    def _quiet(self, request: SyncRequest, room_id: str) -> bytes:
        """Return the beginning of the part of a room without new events."""
        place = self._tokens.encode_place(request.upto[ROOMS][self._room_partition(room_id)])
        return b'{"%b":{"events":[]},"timeline":{"events":[],"limited":false,"prev_batch":"%b"}' % (
            request.state_name.encode(),
            place.encode(),
        )


def _account_data(answer: SyncAnswer, room_id: str) -> bytes:
    return b'"account_data":' + render_events(answer.account_data.get(room_id, ()))


def _rest(answer: SyncAnswer, room_id: str) -> bytes:
    if room_id not in answer.account_data and room_id not in answer.ephemeral:
        return _NOTHING_MORE
    ephemeral = render_events(answer.ephemeral.get(room_id, ()))
    return b'%b,"ephemeral":%b}' % (_account_data(answer, room_id), ephemeral)
