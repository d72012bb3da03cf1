"""Relations between events that a server refuses to make."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from components.clientapi.visible_events import VisibleEvents
from internalapi.roomserver import RoomQueries
from internalapi.syncapi import Relations
from logs.records.room_input import Transaction
from matrix.errors import DuplicateAnnotation, MatrixError, Unavailable
from matrix.identifiers import DeviceID, EventID, RoomID, UserID
from matrix.relations import ANNOTATION, THREAD, Relation, rel_type_of, relation_of
from roomwriting.building import Draft

_log: Final = logging.getLogger(__name__)

_PATIENCE_S: Final = 2.0
"""How long a reaction waits to be told from one that was there before."""

Annotation = tuple[RoomID, EventID, UserID, str, str]
"""The room, what is annotated, by whom, the event's type and the key."""


class ThreadRefused(MatrixError):
    """A thread cannot start at an event that is related to another one itself."""


class RelationChecks:
    """Checks what an event says of its relation to another one.

    Client sync knows what was annotated. While it is away or behind, or where there is none, the
    check is left out: the spec has clients count equal annotations once.
    """

    def __init__(
        self, rooms: RoomQueries, relations: Relations | None, visible: VisibleEvents
    ) -> None:
        self._rooms = rooms
        self._visible = visible
        self._relations = relations
        self._annotating: WeakValueDictionary[Annotation, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def checked(self, room_id: RoomID, draft: Draft) -> AsyncIterator[None]:
        """Enter when the event may be sent; of equal annotations one after another.

        Raises `ThreadRefused` and `DuplicateAnnotation`.
        """
        relation = relation_of(draft.content)
        if relation is not None and relation.rel_type == THREAD:
            await self._check_thread(room_id, draft.sender, relation.parent_id)
        annotation = None if relation is None else _annotation(room_id, draft, relation)
        if annotation is None:
            yield
            return
        # Else two requests at the same moment would both find nothing there.
        lock = self._annotating.setdefault(annotation, asyncio.Lock())
        async with lock:
            if await self._is_there(annotation, draft.transaction):
                raise DuplicateAnnotation
            yield

    async def _check_thread(self, room_id: RoomID, sender: UserID, root_id: EventID) -> None:
        stored = await self._rooms.query_events(event_ids=[root_id])
        # Of an event of another room, or that they may not see, the sender learns nothing.
        if not stored or stored[0].event.room_id != room_id:
            return
        if rel_type_of(stored[0].event.content) is None:
            return
        if await self._is_visible(room_id, sender, root_id):
            raise ThreadRefused

    async def _is_visible(self, room_id: RoomID, user_id: UserID, event_id: EventID) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return event_id in await self._visible.among(room_id, user_id, [event_id])
        except (Unavailable, TimeoutError) as error:
            _log.warning(
                "What a thread starts at was not checked",
                extra={"room_id": room_id, "reason": repr(error)},
            )
            return False

    async def _is_there(self, annotation: Annotation, transaction: Transaction | None) -> bool:
        if self._relations is None:
            return False
        # State is set without a transaction: whatever is there is no repeat of the request.
        device_id, transaction_id = "", ""
        if transaction is not None:
            device_id, transaction_id = transaction.device_id, transaction.transaction_id
        room_id, parent_id, sender, event_type, key = annotation
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._relations.query_has_annotated(
                    room_id=room_id,
                    parent_id=parent_id,
                    sender=sender,
                    event_type=event_type,
                    key=key,
                    device_id=DeviceID(device_id),
                    transaction_id=transaction_id,
                )
        except (Unavailable, TimeoutError) as error:
            _log.warning(
                "An annotation was not compared with those before it",
                extra={"room_id": room_id, "reason": repr(error)},
            )
            return False


def _annotation(room_id: RoomID, draft: Draft, relation: Relation) -> Annotation | None:
    if relation.rel_type != ANNOTATION or relation.key is None:
        return None
    return room_id, relation.parent_id, draft.sender, draft.type, relation.key
