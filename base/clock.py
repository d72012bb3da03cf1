"""Time as an argument: the clock that components are given."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time; tests hold one that stands still."""

    def now_ms(self) -> int:
        """Return the time since the Unix epoch in milliseconds."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...


class SystemClock:
    """The clock of the operating system."""

    def now_ms(self) -> int:
        """Return the time since the Unix epoch in milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return the time that was set."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """Return the time that was set, in seconds."""
        return self._now_ms / 1000

    def advance_ms(self, milliseconds: int) -> None:
        """Move the time forward."""
        self._now_ms += milliseconds
