"""What can be asked of any process of the server."""

from typing import Protocol

import msgspec


class ProcessStatus(msgspec.Struct, frozen=True):
    """What a process says of itself."""

    components: list[str]
    """The components that it runs."""
    version: str
    """Of the server's code."""
    uptime_s: float
    """Seconds since it was ready."""
    is_stopping: bool
    """Whether it finishes what is under way, and takes nothing new."""


class Process(Protocol):
    """A process of the server, whatever it runs."""

    async def query_status(self) -> ProcessStatus:
        """Return how the process is."""
        ...
