"""What waits for a dehydrated device, for the client that goes on with it (MSC3814)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from base.database import Database
from components.syncapi.memory.log_ends import LogEnds
from components.syncapi.memory.projected import Projected
from components.syncapi.position import with_offsets
from components.syncapi.store.to_device import TargetDevice, select_queued
from components.syncapi.timeline.paging import FROM_THE_START, TO_THE_END
from components.syncapi.tokens import SyncTokens, TokenOutdated
from matrix.errors import InvalidParam

_PREFIX: Final = "d"
"""Tells these tokens from those of /sync, in which they would say that messages have arrived."""


class MessageBatch(NamedTuple):
    """Some of the messages, in order."""

    events: Sequence[bytes]
    next_batch: str
    """Where the next one begins; at the end that one is empty."""
    has_more: bool
    """Whether there is anything in the next one by now."""


class DehydratedMessages:
    """Reads what waits for a device and leaves it there: it goes with the device.

    So the client, or another one, can begin again where it was interrupted.
    """

    def __init__(
        self,
        *,
        database: Database,
        projected: Projected,
        tokens: SyncTokens,
        log_ends: LogEnds,
        slot: int,
        partition_of: Callable[[str], int],
        most: int,
    ) -> None:
        """Take the slot of the stream of messages to devices, and how many a batch has at most."""
        self._database: Final = database
        self._projected: Final = projected
        self._tokens: Final = tokens
        self._log_ends: Final = log_ends
        self._slot: Final = slot
        self._partition_of: Final = partition_of
        self._most: Final = most

    async def query_batch(self, device: TargetDevice, token: str | None) -> MessageBatch:
        """Return what follows the batch with this token, or the first one.

        A token that means nothing any more begins again: nothing is left out. Raises
        `InvalidParam`.
        """
        partition = self._partition_of(device.user_id)
        from_order = FROM_THE_START if token is None else await self._order(token, partition)
        read = partial(
            select_queued,
            device=device,
            from_order=from_order,
            to_order=TO_THE_END,
            # One of them says that there are more.
            most=self._most + 1,
        )
        found = (await self._database.read(read)).messages
        # Those before all offsets of the log come together: no token tells their places.
        messages = found[: max(self._most, sum(order < 0 for order, _ in found))]
        next_order = max(messages[-1][0] + 1 if messages else from_order, 0)
        return MessageBatch(
            [event for _, event in messages],
            self._token(partition, next_order),
            has_more=len(messages) < len(found),
        )

    def _token(self, partition: int, order: int) -> str:
        nothing = tuple([(0,) * len(offsets) for offsets in self._projected.position])
        offsets = list(nothing[self._slot])
        offsets[partition] = order
        position = with_offsets(nothing, {self._slot: tuple(offsets)})
        return _PREFIX + self._tokens.encode(position)

    async def _order(self, token: str, partition: int) -> int:
        if not token.startswith(_PREFIX):
            raise InvalidParam("This token is none of messages to a dehydrated device.")
        text = token.removeprefix(_PREFIX)
        try:
            position = self._tokens.decode(text)
        except TokenOutdated:
            former = self._tokens.decode_former(text)
            if former is None:
                return FROM_THE_START
            position = former
        if await self._log_ends.are_before(position):
            return FROM_THE_START
        return position[self._slot][partition]
