"""Files are kept by days: only the newest ones are looked through for what is not needed."""

from datetime import UTC, datetime
from typing import Final

from base.clock import Clock

RECENT_DAYS: Final = 3
"""How many days are looked through: what a crash left is found long before."""


def day_of(clock: Clock) -> str:
    """Return the day that it is, as in `2026-11-30`."""
    return datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date().isoformat()
