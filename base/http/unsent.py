"""What waits for clients to take it: bounded in time for each of them, in bytes for all."""

import asyncio
import logging
from collections import deque
from typing import Any, Final

_log: Final = logging.getLogger(__name__)

_PIECE_BYTES: Final = 65_536
"""What is handed to a connection at once: a client that takes no such piece in time is slow."""


class UnsentAnswers:
    """The answers of one process that clients have not taken yet.

    When they hold more than `max_bytes`, the connection that holds most is closed, and the next
    one, until they do not. Of those that hold as much, the one that has waited longest goes first.
    """

    def __init__(self, max_bytes: int = 256 << 20) -> None:
        self.bytes_held = 0
        self._max_bytes = max_bytes
        self._held: dict[PacedTransport, int] = {}

    def hold(self, transport: "PacedTransport", size: int) -> None:
        """Note how many bytes a connection holds now; 0 when it has sent all."""
        before = self._held.pop(transport, 0) if size == 0 else self._held.get(transport, 0)
        if size:
            self._held[transport] = size
        self.bytes_held += size - before
        while self.bytes_held > self._max_bytes:
            max(self._held, key=self._held.__getitem__).give_up("the answers of all hold too much")


class PacedTransport(asyncio.Transport):
    """Hands a connection its answer in pieces, as fast as the client takes them.

    A client that does not take a piece within `timeout_s` is cut off. The protocol tells of the
    connection's pauses (`pause`, `resume`) and of its end (`lost`).
    """

    __slots__ = (
        "_is_closing",
        "_is_paused",
        "_timeout_s",
        "_timer",
        "_transport",
        "_unsent",
        "_waiting",
    )

    def __init__(
        self, transport: asyncio.Transport, unsent: UnsentAnswers, timeout_s: float
    ) -> None:
        super().__init__()
        # With it, the protocol hears of all that does not leave at once. At 0, TLS always pauses.
        transport.set_write_buffer_limits(high=1)
        self._transport = transport
        self._unsent = unsent
        self._timeout_s = timeout_s
        self._waiting: deque[memoryview] = deque()
        self._is_paused = False
        self._is_closing = False
        self._timer: asyncio.TimerHandle | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, now or when the client has taken what is before; nothing once it is closed."""
        if self._is_closing:
            return
        if not self._is_paused and len(data) <= _PIECE_BYTES:
            self._transport.write(data)
            return
        self._waiting.append(memoryview(data))
        self._send_waiting()

    def writelines(self, list_of_data: Any) -> None:
        """Send several in one go if they are small."""
        if not self._is_paused and sum(map(len, list_of_data)) <= _PIECE_BYTES:
            self._transport.writelines(list_of_data)
            return
        for data in list_of_data:
            self.write(data)

    def _send_waiting(self) -> None:
        waiting = self._waiting
        while waiting and not self._is_paused:
            data = waiting.popleft()
            if len(data) > _PIECE_BYTES:
                waiting.appendleft(data[_PIECE_BYTES:])
            self._transport.write(data[:_PIECE_BYTES])
        if self._is_paused:
            # A view keeps all of its answer in memory until its last piece has left.
            held = sum([len(view.obj) for view in waiting])  # type: ignore[arg-type,misc]
            held += self._transport.get_write_buffer_size()
            self._unsent.hold(self, held)

    @property
    def is_behind(self) -> bool:
        """Whether something waits for the client."""
        return self._is_paused

    def pause(self) -> None:
        """Hear that the client does not take any more now."""
        self._is_paused = True
        self._timer = asyncio.get_running_loop().call_later(
            self._timeout_s, self.give_up, "the client does not take its answer"
        )
        self._unsent.hold(self, self._transport.get_write_buffer_size())

    def resume(self) -> None:
        """Hear that the client has taken all that was handed over."""
        self._rest()
        self._send_waiting()
        if self._is_paused:
            return
        self._unsent.hold(self, 0)
        if self._is_closing:
            self._transport.close()

    def _rest(self) -> None:
        self._is_paused = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def give_up(self, reason: str) -> None:
        """Cut the client off."""
        _log.info("A connection is cut: %s", reason)
        self.abort()

    def lost(self) -> None:
        """Hear that the connection has ended."""
        self._rest()
        self._waiting.clear()
        self._unsent.hold(self, 0)

    def write_eof(self) -> None:
        """Say that nothing more is sent; only while nothing waits."""
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        """Whether that can be said now."""
        return not self._waiting and self._transport.can_write_eof()

    def close(self) -> None:
        """Close when everything has been sent."""
        self._is_closing = True
        if not self._waiting:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        self.lost()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return self._is_closing or self._transport.is_closing()

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection."""
        return self._transport.get_extra_info(name, default)
