"""A server as a child process: started until it answers, stopped with all its children."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol

import psutil

from bench.http import Address, Connection, build_request
from bench.measure import process_tree

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
SERVER_NAME: Final = "bench.localhost"
SHARED_SECRET: Final = "bench shared secret"


class ServerFailedError(Exception):
    """A server did not start or ended by itself; the text holds the end of its log."""


class Server(Protocol):
    """A server that can be measured."""

    @property
    def name(self) -> str:
        """Return its name in the report."""

    @property
    def address(self) -> Address:
        """Return the loopback address that clients use."""

    @property
    def shared_secret(self) -> str:
        """Return the secret with which accounts are registered."""

    @property
    def pid(self) -> int:
        """Return the root of its process tree."""

    async def start(self) -> float:
        """Start it and return the seconds until it answered; raises ServerFailedError."""

    async def stop(self) -> None:
        """Stop it and all its children; the data stays, so that it can be started again."""


class ProcessServer:
    """A server started by a command line, logging into a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        address: Address,
        *,
        log_path: Path,
        cwd: Path,
    ) -> None:
        self.name = name
        self.address = address
        self.shared_secret = SHARED_SECRET
        self._command = command
        self._log_path = log_path
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process ID of the command."""
        if self._process is None:
            raise ServerFailedError(f"{self.name} is not running")
        return self._process.pid

    async def start(self) -> float:
        """Start the command and return the seconds until it answered."""
        started_at = perf_counter()
        # Settings of whoever runs this must not reach the server.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("XYLEM_")
        }
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 (returns at once, nothing waits yet)
                self._command,
                cwd=self._cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            await self._wait_until_it_answers(self._process)
        except BaseException:
            await self.stop()
            raise
        return perf_counter() - started_at

    async def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = perf_counter() + START_TIMEOUT_S
        connection = Connection(self.address)
        request = build_request("GET", "/_matrix/client/versions")
        try:
            while not (await connection.request(request, timeout_s=5.0)).ok:
                if process.poll() is not None:
                    raise ServerFailedError(f"{self.name} ended: {self.log_end()}")
                if perf_counter() > deadline:
                    raise ServerFailedError(f"{self.name} does not answer: {self.log_end()}")
                await asyncio.sleep(0.02)
        finally:
            connection.close()

    async def stop(self) -> None:
        """Terminate the whole tree and kill what is left of it after a while."""
        process, self._process = self._process, None
        if process is None:
            return
        tree = process_tree(process.pid)
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
        for member in tree:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()

    def log_end(self) -> str:
        """Return the last lines that the server logged."""
        return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-15:])


def free_address() -> Address:
    """Return a loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return ("127.0.0.1", int(probe.getsockname()[1]))
