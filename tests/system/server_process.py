"""A Xylem process as operators run it: started from a configuration file, ended by a signal."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

import yaml

CHECKOUT: Final = Path(__file__).resolve().parents[2]
SHARED_SECRET: Final = "a secret of tests"
_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 20.0


def environment(*, python_path: str = str(CHECKOUT)) -> dict[str, str]:
    """Return this process's environment without settings of Xylem; it finds the checkout's code."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("XYLEM_")}
    return kept | {"PYTHONPATH": python_path}


def xylem(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of xylem to its end."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        cwd=cwd,
        env=environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_START_TIMEOUT_S,
        check=False,
    )


class ServerProcess:
    """A monolith in a folder; it can be killed and started again over the same data."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any] | None = None,
        *,
        installed: Path | None = None,
        open_files: int | None = None,
        module: str = "deploy.cli",
        checkout: Path = CHECKOUT,
    ) -> None:
        """Take a folder and settings; the code is a checkout's `module`, or an `installed` one.

        The process may have this many files open, or as many as this one.
        """
        self.folder = folder
        self._command = [str(installed)] if installed else [sys.executable, "-m", module]
        if open_files is not None:
            self._command = ["sh", "-c", f'ulimit -n {open_files}; exec "$@"', "sh", *self._command]
        self._environment = environment(python_path="" if installed else str(checkout))
        self.config_path = folder / "xylem.yaml"
        self.config_path.write_text(yaml.safe_dump(_with_defaults(folder, settings or {})))
        self.url = ""
        self.lines: list[dict[str, Any]] = []
        """The log lines read so far, since the first start."""
        self._process: subprocess.Popen[str] | None = None
        self._incoming: queue.Queue[str | None] = queue.Queue()

    def start(self) -> None:
        """Start the process and return once it listens; `url` is its first listener's."""
        self.launch()
        self.wait_until_listening()

    def launch(self) -> None:
        """Start the process and return at once, before it is ready for anything."""
        self._process = subprocess.Popen(
            [*self._command, "monolith", "--config", str(self.config_path)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        # A thread reads all lines, so that the server never waits for its reader.
        self._incoming = queue.Queue()
        threading.Thread(target=_pump, args=(self._process, self._incoming), daemon=True).start()

    def wait_until_listening(self) -> None:
        """Return once the process that was launched listens; fails if it ends before."""
        self.url = str(self.wait_for_line("Listening")["url"])

    def wait_for_line(self, message: str) -> dict[str, Any]:
        """Return the next log line with this message; fails if the process ends before it."""
        while (text := self._incoming.get(timeout=_START_TIMEOUT_S)) is not None:
            line = _parse(text)
            self.lines.append(line)
            if line["message"] == message:
                return line
        raise AssertionError(f"The server ended: {self.lines}")

    def errors(self) -> list[dict[str, Any]]:
        """Return what the server has said so far that no request may cause."""
        with contextlib.suppress(queue.Empty):
            while (text := self._incoming.get_nowait()) is not None:
                self.lines.append(_parse(text))
            self._incoming.put(None)
        return [
            line
            for line in self.lines
            if line.get("level") in {"error", "critical"} or "Traceback" in line["message"]
        ]

    def stop(self) -> int:
        """Ask the process to stop and return its exit code."""
        return self._end(signal.SIGTERM)

    @property
    def pid(self) -> int:
        """Return the ID of the process, which runs."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End the process at once, as a crash does."""
        self._end(signal.SIGKILL)

    def wait_for_end(self) -> int:
        """Return the exit code once the process has ended by itself."""
        return self._end(None)

    def _end(self, number: signal.Signals | None) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if number is not None:
            process.send_signal(number)
        try:
            code = process.wait(_STOP_TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
        while (text := self._incoming.get(timeout=_STOP_TIMEOUT_S)) is not None:
            self.lines.append(_parse(text))
        return code


def _with_defaults(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    # As many connections as any machine has files for: a server warns where it has fewer.
    listeners = [{"port": 0, "apis": ["client", "health", "metrics"], "max_connections": 1000}]
    defaults = {
        "data_dir": str(folder / "data"),
        "listeners": listeners,
        "logging": {"format": "json"},
        "userapi": {
            "registration": "open",
            "registration_shared_secret": SHARED_SECRET,
            "bcrypt_cost": 4,
            "login_rate_per_address": None,
            "login_rate_per_account": None,
            "registration_rate_per_address": None,
            "request_rate_per_user": None,
        },
    }
    merged: dict[str, Any] = defaults | settings
    return merged


def _pump(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    if process.stderr is not None:
        with process.stderr as stream:
            for line in stream:
                lines.put(line)
    lines.put(None)


def _parse(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        return {"message": text.rstrip("\n")}
    return line if isinstance(line, dict) else {"message": text}
