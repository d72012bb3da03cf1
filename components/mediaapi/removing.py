"""Deletes the files that no media has any more."""

from components.mediaapi.files.interface import MediaFiles
from components.mediaapi.store.media import MediaStore


class RemovedFiles:
    """Files that were noted as removed, in the transaction that removed the last media of each."""

    def __init__(self, store: MediaStore, files: MediaFiles) -> None:
        self._store = store
        self._files = files

    async def delete(self) -> None:
        """Delete them, and then forget them: whoever is stopped between begins again.

        Raises `Unavailable` and `DatabaseOutage`.
        """
        while names := await self._store.select_removed_files():
            await self._files.delete(names)
            await self._store.delete_removed_files(names)
