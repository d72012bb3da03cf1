"""Programs that run beside this process and end with it, however it ends."""

import contextlib
import ctypes
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.errors import StartRefused

_SET_PARENT_DEATH_SIGNAL: Final = 1
_PORTS: Final = (15_000, 32_768)
_LOOK_AGAIN_S: Final = 0.05
_SHOWN_CHARACTERS: Final = 4000
_PACKAGES: Final = {
    "caddy": "caddy",
    "chromium": "chromium",
    "go": "golang-go",
    "initdb": "postgresql",
    "java": "default-jre-headless",
    "mvn": "maven",
    "nginx": "nginx-core",
    "node": "nodejs",
    "npm": "npm",
    "openssl": "openssl",
    "postgres": "postgresql",
    "systemd-analyze": "systemd",
}
"""The package of Debian and Ubuntu that has a program."""
_FOLDERS: Final = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/usr/local/go/bin",
)
"""Where programs are, also when a user's PATH does not say so."""


class ProgramMissing(StartRefused):
    """A program is not installed."""


class ProgramFailed(StartRefused):
    """A program did not start."""


def find_program(name: str, *folders: str) -> str:
    """Return the path of a program, also in these folders; raises `ProgramMissing`."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS, *folders])
    found = shutil.which(name, path=path)
    if found is None:
        advice = f"Debian, Ubuntu: apt install {_PACKAGES[name]}" if name in _PACKAGES else ""
        raise ProgramMissing(f"{name} is not installed.", advice)
    return found


def free_port() -> int:
    """Return a loopback port that nobody uses, another one each time."""
    for port in _ports():
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise ProgramFailed("There is no free port.")


@functools.cache
def _ports() -> Iterator[int]:
    """Return this process's ports in the order in which they are tried.

    The system gives none of these to outgoing connections: one of those could take the port before
    its program listens, or while it is down.
    """
    first = random.randrange(*_PORTS)  # noqa: S311 (nobody has to guess it)
    return iter([*range(first, _PORTS[1]), *range(_PORTS[0], first)])


def is_listening(port: int) -> bool:
    """Tell whether something accepts connections on this loopback port."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


class Program:
    """A program whose output goes to a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Take what to run in which folder; nothing is started."""
        self.name: Final = name
        self.output: Final = folder / f"{name}.log"
        self._command = list(command)
        self._folder = folder
        self._user = user
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process ID, while the program runs."""
        return None if self._process is None else self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the program ended; `None` while it runs, and before it was started."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it; it dies with this process."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self._user,
                cwd=self._folder,
                env=self._environment,
                preexec_fn=_begin_apart,  # noqa: PLW1509 (no thread of ours holds a lock)
            )

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float = 60) -> None:
        """Return once it is ready; raises `ProgramFailed` if it ends before or takes too long."""
        deadline_s = time.monotonic() + timeout_s
        while not is_ready():
            if self.exit_code is not None or time.monotonic() > deadline_s:
                self.kill()
                shown = self.output.read_text(errors="replace")[-_SHOWN_CHARACTERS:]
                raise ProgramFailed(f"{self.name} did not start:\n{shown}")
            time.sleep(_LOOK_AGAIN_S)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, timeout_s: float = 20) -> int | None:
        """Ask it to end, kill it if it does not, and return the exit code."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        return self._process.returncode

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _begin_apart() -> None:
    """Leave the terminal's signals to the parent, and die with it."""
    os.setsid()
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
