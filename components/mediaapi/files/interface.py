"""What keeps the bytes of media."""

from collections.abc import AsyncGenerator, AsyncIterable, Collection
from typing import NamedTuple, Protocol


class WrittenFile(NamedTuple):
    """A file that will still be there after a power cut."""

    name: str
    sha256: bytes
    size: int


class FileMissing(Exception):
    """A file that the index names is not there."""


class MediaFiles(Protocol):
    """MediaFiles that are written once and never changed; no name is given twice."""

    async def write(self, pieces: AsyncIterable[bytes]) -> WrittenFile:
        """Write a file and return when it is durable; nothing stays of one that breaks off.

        Raises `Unavailable` where there is no room, and what the pieces raise.
        """
        ...

    def read(self, name: str, start: int, size: int) -> AsyncGenerator[bytes]:
        """Yield so many bytes of a file. Raises `FileMissing`, and `Unavailable` in an outage."""
        ...

    async def delete(self, names: Collection[str]) -> None:
        """Delete files; those that are not there count as deleted. Raises `Unavailable`."""
        ...

    async def delete_unfinished(self, before_ms: int) -> None:
        """Delete what was left of writes that broke off, and has not grown since then."""
        ...

    async def list_recent(self, before_ms: int) -> list[str]:
        """Return the files of the newest days that were finished before then."""
        ...

    def close(self) -> None:
        """Let go of threads and connections."""
        ...
