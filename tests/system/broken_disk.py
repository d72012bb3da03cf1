"""Runs `xylem` on a disk that fails under the log when something is written to the pipe `break`."""

import os
import sys
import threading
from pathlib import Path

from deploy.cli import main

PIPE = Path("break")


def _break_when_told() -> None:
    PIPE.read_bytes()  # returns once somebody has had it open
    # It takes nothing more, and nothing of it can be cut off.
    full = os.open("/dev/full", os.O_WRONLY)
    for link in Path("/proc/self/fd").iterdir():
        if os.path.realpath(link).endswith(".log"):
            os.dup2(full, int(link.name))


if __name__ == "__main__":
    os.mkfifo(PIPE)
    threading.Thread(target=_break_when_told, daemon=True).start()
    sys.exit(main())
