"""Reads InputTyping: keeps who types in which room, and tells OutputTyping when that changes.

What is stored is part of the same transaction as the position, deadlines included. So a restart,
or another instance that takes over, goes on where this one was, and a replay announces the same.
"""

from collections.abc import Callable, Sequence

from base.database import Connection
from components.eduserver.rooms import TypingPartition
from components.eduserver.settings import EduServerSettings
from components.eduserver.store import select_typing, upsert_typing
from logs.consumer import Message, Outbox
from logs.records.typing import InputTyping, TypingChanged, TypingRequested
from logs.topics import OUTPUT_TYPING

OnDeadline = Callable[[int], None]


class TypingProcessor:
    """One partition of InputTyping: the typing in its rooms."""

    def __init__(
        self,
        partition: int,
        rooms: TypingPartition,
        settings: EduServerSettings,
        on_deadline: OnDeadline,
    ) -> None:
        self._partition = partition
        self._rooms = rooms
        self._settings = settings
        self._on_deadline = on_deadline
        self._batch: _Batch | None = None

    def process(
        self, connection: Connection, messages: Sequence[Message[InputTyping]], outbox: Outbox
    ) -> None:
        """Take a batch of requests and expiries, in the order of the log."""
        if not self._rooms.is_loaded:
            self._rooms.load(select_typing(connection, self._partition))
        batch = self._batch = _Batch(self._rooms, self._settings)
        for message in messages:
            if batch.apply(message):
                room_id = message.value.room_id
                users = list(batch.changed[room_id])
                outbox.put(OUTPUT_TYPING, room_id, TypingChanged(room_id, users))
        upsert_typing(connection, self._partition, batch.changed)

    def committed(self) -> None:
        """Let the timers know."""
        if self._batch is None:
            return
        changed, self._batch = self._batch.changed, None
        self._rooms.update(changed)
        deadlines = [deadline for typists in changed.values() for deadline in typists.values()]
        if deadlines:
            self._on_deadline(min(deadlines))

    def aborted(self) -> None:
        """Forget the batch and all that is known: another process may own the rooms now."""
        self._batch = None
        self._rooms.forget()


class _Batch:
    """What a batch has changed so far."""

    def __init__(self, rooms: TypingPartition, settings: EduServerSettings) -> None:
        self._rooms = rooms
        self._settings = settings
        self._count = rooms.count
        self.changed: dict[str, dict[str, int]] = {}

    def apply(self, message: Message[InputTyping]) -> bool:
        """Apply a record; true when others type in its room now than before."""
        record = message.value
        typists = self.changed.get(record.room_id)
        if typists is None:
            typists = dict(self._rooms.typists(record.room_id))
        deadline = typists.get(record.user_id)
        if isinstance(record, TypingRequested) and record.timeout_ms:
            if deadline is None and self._is_full(len(typists)):
                return False
            longest_ms = self._settings.max_typing_s * 1000
            until = message.timestamp_ms + min(record.timeout_ms, longest_ms)
            typists[record.user_id] = until
            self._count += deadline is None
            self.changed[record.room_id] = typists
            return deadline is None
        if deadline is None:
            return False
        if not isinstance(record, TypingRequested) and deadline > record.deadline_ms:
            return False  # renewed while the expiry was under way
        del typists[record.user_id]
        self._count -= 1
        self.changed[record.room_id] = typists
        return True

    def _is_full(self, in_room: int) -> bool:
        settings = self._settings
        return in_room >= settings.max_typing_per_room or self._count >= settings.max_typing
