"""Verdicts of the room server, for the requests that wait for them.

The record of an event's outcome comes on OutputRoomEvent; whoever has appended the event to
InputRoomEvent waits here for it.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from base.clock import Clock, SystemClock
from base.metrics import Distribution, Family, Reading
from logs.log import Log, Record
from logs.records.room_output import (
    EventAdded,
    InputRejected,
    InputRepeated,
    OutputRoomEvent,
    RedactionApplied,
    RedactionWithheld,
    RoomForgotten,
    SoftFailed,
)
from logs.tail_reader import Decoding, TailReader
from logs.topics import OUTPUT_ROOM_EVENT
from matrix.errors import LimitExceeded, Unavailable
from matrix.identifiers import EventID, RoomID

_FEW: Final = 100
"""So many may always wait: they are no danger to memory, and show when the delay is over."""
_LONGEST_RETRY_S: Final = 30


class OutcomeFamilies(NamedTuple):
    """What one component counts of its events that wait."""

    waiting: Family
    seconds: Family
    overloads: Family


def outcome_families(component: str) -> OutcomeFamilies:
    """Return the metrics of a component that writes events."""
    return OutcomeFamilies(
        Family(
            f"xylem_{component}_waiting_sends",
            "gauge",
            "Events that wait for the room server's verdict.",
        ),
        Family(
            f"xylem_{component}_verdict_seconds",
            "histogram",
            "Time from before an event is appended until the room server's verdict is read.",
        ),
        Family(
            f"xylem_{component}_overloads_total",
            "counter",
            "Events refused with 429 because too many wait (`many`) or because verdicts take too "
            "long (`late`).",
            ("reason",),
        ),
    )


class Outcome(msgspec.Struct, frozen=True):
    """What became of an event."""

    event_id: EventID
    """The event that stands in the room: an earlier one when the input repeated it."""
    refusal: str | None = None
    """Why the room server refused it; `None` when it stands."""


class OutcomeListener(Protocol):
    """Who has to know what becomes of rooms."""

    def added(self, record: EventAdded, *, is_own: bool) -> None:
        """An event was added, by a request that waits here or by somebody else."""
        ...

    def forget_state(self, room_id: RoomID) -> None:
        """Something else has changed in a room."""
        ...


class _Expected(NamedTuple):
    future: asyncio.Future[Outcome]
    since_s: float


class Outcomes:
    """The events under way from this process, by ID, and who waits for each."""

    def __init__(
        self,
        log: Log,
        component: str,
        *,
        max_waiting: int,
        max_delay_s: float = math.inf,
        clock: Clock | None = None,
    ) -> None:
        """Take the name of the component that waits, for metrics."""
        self._families: Final = outcome_families(component)
        self._max_waiting = max_waiting
        self._max_delay_s = max_delay_s
        self._clock = clock or SystemClock()
        self._waiting: dict[str, _Expected] = {}
        self._delay_s = 0.0
        """How long the last verdict took."""
        self._progress_s = 0.0
        """When a verdict came last, or when somebody began to wait where nobody did."""
        self._seconds = Distribution()
        self._overloads = {"many": 0, "late": 0}
        self._listener: OutcomeListener | None = None
        self._reading = asyncio.Event()
        self._reader: Final = TailReader(
            log, Decoding(component, OUTPUT_ROOM_EVENT), self._take_all, begin=self._reading.set
        )

    async def wait_ready(self) -> None:
        """Return once verdicts are read: what is appended from then on is answered."""
        await self._reading.wait()

    def tell(self, listener: OutcomeListener) -> None:
        """Let a listener know of all that happens in rooms, before those who wait are told."""
        self._listener = listener

    def expect(self, event_id: str) -> asyncio.Future[Outcome]:
        """Return the future outcome of an event, or another input, that is about to be appended.

        Raises `LimitExceeded` when too many are under way, or more than a few and verdicts take
        too long: the room server lags behind; and `Unavailable` as long as verdicts are not read.
        """
        if not self._reading.is_set():
            raise Unavailable("The server is starting: try again in a second.")
        now_s = self._clock.monotonic_s()
        if not self._waiting:
            self._progress_s, self._delay_s = now_s, 0.0
        elif len(self._waiting) >= min(_FEW, self._max_waiting):
            self._refuse_overload(now_s)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[event_id] = _Expected(future, now_s)
        return future

    def _refuse_overload(self, now_s: float) -> None:
        if len(self._waiting) >= self._max_waiting:
            self._overloads["many"] += 1
            raise LimitExceeded(1000, "The server is overloaded: try again in a second.")
        delay_s = max(self._delay_s, now_s - self._progress_s)
        if delay_s > self._max_delay_s:
            self._overloads["late"] += 1
            wait_s = min(math.ceil(delay_s), _LONGEST_RETRY_S)
            raise LimitExceeded(wait_s * 1000, "The server lags behind: try again later.")

    async def check_reading(self) -> None:
        """Return if verdicts are read: without, nothing can be sent. Raises `Unavailable`."""
        if not self._reading.is_set():
            raise Unavailable("Verdicts are not read yet.")

    def readings(self) -> Iterator[Reading]:
        """Give what was counted, for metrics."""
        families = self._families
        yield Reading(families.waiting, (), len(self._waiting))
        yield Reading(families.seconds, (), self._seconds)
        for reason, count in self._overloads.items():
            yield Reading(families.overloads, (reason,), count)
        yield from self._reader.readings()

    def forget(self, event_id: str) -> None:
        """Nobody waits for this event any more."""
        self._waiting.pop(event_id, None)

    async def run(self) -> None:
        """Read OutputRoomEvent from its end, until cancelled."""
        try:
            await self._reader.run()
        finally:
            self._reading.clear()

    def _take_all(self, records: Sequence[tuple[Record, OutputRoomEvent | None]]) -> None:
        for _, record in records:
            self._take(record)

    def _take(self, record: OutputRoomEvent | None) -> None:
        match record:
            case RedactionWithheld(is_part=True):
                self._tell(record, is_own=False)
                return
            case EventAdded() | RedactionWithheld() | RoomForgotten():
                outcome = Outcome(EventID(record.event_id))
            case InputRepeated():
                outcome = Outcome(EventID(record.first_event_id))
            case InputRejected() | SoftFailed():
                outcome = Outcome(EventID(record.event_id), record.reason)
            case RedactionApplied():
                self._tell(record, is_own=False)
                return
            case _:
                return
        expected = self._waiting.pop(record.event_id, None)
        self._tell(record, is_own=expected is not None)
        if expected is None:
            return
        self._progress_s = self._clock.monotonic_s()
        self._delay_s = self._progress_s - expected.since_s
        self._seconds.observe(self._delay_s)
        if not expected.future.done():
            expected.future.set_result(outcome)

    def _tell(self, record: OutputRoomEvent, *, is_own: bool) -> None:
        if self._listener is None:
            return
        if isinstance(record, EventAdded):
            self._listener.added(record, is_own=is_own)
        # The redacted event may be state; a redaction that is withheld is one of the latest events.
        elif isinstance(record, RedactionApplied) or (
            isinstance(record, RedactionWithheld) and (record.state_changes or not is_own)
        ):
            self._listener.forget_state(RoomID(record.room_id))
