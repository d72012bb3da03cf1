"""Media of other servers."""

from typing import Protocol

from components.mediaapi.store.media import StoredMedia
from matrix.errors import NotFound
from matrix.identifiers import ServerName


class RemoteMedia(Protocol):
    """Fetches media of other servers."""

    async def query_media(
        self, server_name: ServerName, media_id: str, *, wait_s: float
    ) -> StoredMedia:
        """Return media of another server once its file is kept here.

        Raises `NotFound`, and `NotYetUploaded` after the time to wait.
        """
        ...


class NoRemoteMedia:
    """`RemoteMedia` of a server that knows no others."""

    async def query_media(
        self, server_name: ServerName, media_id: str, *, wait_s: float
    ) -> StoredMedia:
        """Raise `NotFound`."""
        del wait_s
        raise NotFound(f"There is no media {media_id} of {server_name} here.")
