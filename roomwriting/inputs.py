"""Inputs for the room server: appended, and awaited until it has decided."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from internalapi.roomserver import InputPosition
from logs.log import Log, Outgoing
from logs.records.room_input import InputRoomEvent
from logs.topics import INPUT_ROOM_EVENT
from matrix.errors import Unavailable
from matrix.identifiers import RoomID
from roomwriting.outcomes import Outcome, OutcomeListener, Outcomes

Expected: TypeAlias = Mapping[str, asyncio.Future[Outcome]]
"""Who waits for each input, by its ID, in the order in which they are appended."""
Appended: TypeAlias = Callable[[InputPosition], None]


class RoomInputs:
    """Appends to InputRoomEvent, and returns what becomes of it."""

    def __init__(self, log: Log, outcomes: Outcomes, timeout_s: float) -> None:
        """Take how long to wait for the room server's decision."""
        self._log: Final = log
        self._outcomes: Final = outcomes
        self._timeout_s: Final = timeout_s

    def tell(self, listener: OutcomeListener) -> None:
        """Let a listener know of all that happens in rooms, before those who wait are told."""
        self._outcomes.tell(listener)

    def expect(self, input_ids: Sequence[str]) -> Expected:
        """Wait from now on for what becomes of these inputs, which are about to be written.

        Raises `LimitExceeded` and `Unavailable` as `Outcomes.expect` does; none is awaited then.
        """
        expected: dict[str, asyncio.Future[Outcome]] = {}
        try:
            for input_id in input_ids:
                expected[input_id] = self._outcomes.expect(input_id)
        except BaseException:
            for input_id in expected:
                self._outcomes.forget(input_id)
            raise
        return expected

    async def write(
        self,
        room_id: RoomID,
        inputs: Sequence[InputRoomEvent],
        expected: Expected,
        appended: Appended | None = None,
    ) -> list[Outcome]:
        """Append inputs of a room and return what became of each, in their order.

        `appended` hears where the last one stands, before anything is decided. Raises `LogOutage`,
        and `Unavailable` where the room server does not answer: the inputs stand in the log then.
        """
        records = [Outgoing(room_id, INPUT_ROOM_EVENT.encode(one)) for one in inputs]
        try:
            positions = await self._log.append(INPUT_ROOM_EVENT.name, records)
            if appended is not None:
                appended(InputPosition(positions[-1].partition, positions[-1].offset))
            async with asyncio.timeout(self._timeout_s):
                return [await future for future in expected.values()]
        except TimeoutError as error:
            raise Unavailable(
                "It is written, but the room server has not answered: repeat the request."
            ) from error
        finally:
            for input_id in expected:
                self._outcomes.forget(input_id)

    async def write_one(self, room_id: RoomID, input_id: str, record: InputRoomEvent) -> Outcome:
        """Append one input of a room and return what became of it. Raises what the others do."""
        [outcome] = await self.write(room_id, [record], self.expect([input_id]))
        return outcome
