"""A real PostgreSQL server on this machine."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from localcluster.programs import Program, find_program, free_port, is_listening


class PostgresServer:
    """A server whose data are in a folder, and are gone when the machine loses power."""

    def __init__(self, folder: Path, *, max_connections: int = 100) -> None:
        """Prepare a server in an empty folder; raises `ProgramMissing`.

        The server refuses to run as root. Then it runs as the user `postgres`, who has to be able
        to enter the folder.
        """
        installed = [str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")]
        folders = sorted(installed, reverse=True)
        self._initdb = find_program("initdb", *folders)
        postgres = find_program("postgres", *folders)
        self._folder = folder
        self._user = "postgres" if os.geteuid() == 0 else None
        self._port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": str(max_connections),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.program: Final = Program(
            "postgres",
            [postgres, "-D", str(folder / "data"), *options],
            folder,
            user=self._user,
        )

    @property
    def address(self) -> str:
        """Where it is reached: `user@host:port`."""
        return f"xylem@127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, with the data of its last run if there was one; raises `ProgramFailed`."""
        data = self._folder / "data"
        if not data.exists():
            if self._user is not None:
                shutil.chown(self._folder, self._user)
            subprocess.run(
                [self._initdb, "-D", data, "-U", "xylem", "-A", "trust", "-E", "UTF8", "--no-sync"],
                check=True,
                user=self._user,
                cwd=self._folder,
                stdout=subprocess.DEVNULL,
            )
        self.program.start()
        self.program.wait_until(lambda: is_listening(self._port))
