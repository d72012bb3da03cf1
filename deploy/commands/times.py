"""Times as people read them."""

from datetime import UTC, datetime


def shown_time(time_ms: int | None) -> str:
    """Return a time in milliseconds since the Unix epoch, in UTC to the minute; `None` as `-`."""
    if time_ms is None:
        return "-"
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
