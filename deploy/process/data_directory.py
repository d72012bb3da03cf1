"""The folder in which a server keeps everything, held by one process at a time."""

import fcntl
import logging
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, Self

from deploy.catalogue import CATALOGUE
from deploy.errors import StartRefused
from deploy.settings import Settings

_log: Final = logging.getLogger(__name__)

_LOCK_FILE: Final = "lock"
_OTHERS: Final = 0o007


class DataDirectory:
    """A data directory; use it as a context to hold it."""

    def __init__(self, settings: Settings) -> None:
        self.server_name: Final = settings.server_name
        self.path: Final = Path(settings.data_dir).resolve()
        self.signing_key_path: Final = (
            Path(settings.signing_key_path)
            if settings.signing_key_path
            else self.path / "signing.key"
        )
        self.database_url: Final = settings.database.url or f"sqlite:///{self.path / 'databases'}"
        self.log_path: Final = self.path / "log"
        self.keeps_databases: Final = self.database_url.startswith("sqlite")
        self.keeps_data: Final = self.keeps_databases or settings.log.kafka is None
        """Whether the log or the databases are in it."""
        self._lock: int | None = None

    def make(self) -> None:
        """Make the folder, for its owner alone; one that is there is closed to all other users."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartRefused(
                f"The data directory {self.path} cannot be made: {error.strerror}.",
                "Set data_dir to a folder that the server may write to.",
            ) from error
        rights = self.path.stat().st_mode
        if rights & _OTHERS:
            self._close_to_others(rights)

    def _close_to_others(self, rights: int) -> None:
        try:
            # A group may have been given access on purpose.
            self.path.chmod(rights & ~_OTHERS)
        except OSError as error:
            raise StartRefused(
                f"Every user of this machine may enter the data directory {self.path}.",
                f"It holds what users keep to themselves. Close it: chmod o= {self.path}",
            ) from error
        _log.warning("Closed the data directory to other users", extra={"path": str(self.path)})

    @property
    def has_been_used(self) -> bool:
        """Whether a server has run here before."""
        return self.log_path.exists() or (self.path / "databases").exists()

    def folders(self) -> dict[str, Path]:
        """Return the folders that are written to, by what is in them."""
        found = {
            "log": self.log_path,
            "databases": self._databases_path,
            **{one.folder: self.path / one.folder for one in CATALOGUE if one.folder},
        }
        return {name: path for name, path in found.items() if path is not None and path.exists()}

    @property
    def _databases_path(self) -> Path | None:
        if not self.database_url.startswith("sqlite:///"):
            return None
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def is_held(self) -> bool:
        """Whether this process holds the directory."""
        return self._lock is not None

    def held_for_data(self) -> AbstractContextManager[object]:
        """Return the context that holds the directory where it keeps data, and else does nothing.

        What is elsewhere, several processes may use at once.
        """
        return self if self.keeps_data else nullcontext()

    def __enter__(self) -> Self:
        """Hold the directory, made if need be; raises `StartRefused` if another process does."""
        self.make()
        try:
            lock = os.open(self.path / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartRefused(
                f"The data directory {self.path} cannot be written to: {error.strerror}.",
                "The user that runs the server has to be able to write there, and the file system "
                "must not be mounted read-only. Or set data_dir to another folder.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(lock, 20).decode(errors="replace").strip()
            os.close(lock)
            raise DirectoryInUse(
                f"Another server runs on the data directory {self.path} (process {holder}).",
                "Stop it first, or set data_dir to another folder.",
            ) from error
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock
        return self

    def __exit__(self, *_error: object) -> None:
        """Let go of the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class DirectoryInUse(StartRefused):
    """Another process holds the data directory."""
