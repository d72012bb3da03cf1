"""Programs in JavaScript: packages are installed once, each run has a folder of its own."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.fixtures.servers import die_with_parent, find_program, last_line, missing

SOURCES: Final = Path(__file__).parent / "js"
_INSTALL_TIMEOUT_S: Final = 280
_RUN_TIMEOUT_S: Final = 240


def installed_packages() -> Path:
    """Return the folder node_modules of what package-lock.json names.

    It is kept beside the other programs of tests, one for each state of the lock.
    """
    default = Path.home() / ".cache" / "xylem-tests"
    lock = SOURCES / "package-lock.json"
    state = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = Path(os.environ.get("XYLEM_TEST_CACHE", default)) / "js" / state
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(SOURCES / name, folder)
            _install(folder)
            (folder / "done").touch()
    return folder / "node_modules"


def _install(folder: Path) -> None:
    command = [find_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
    )
    if done.returncode != 0:
        missing(f"npm could not install the packages: {last_line(done.stderr)}")


def run_tests(file: str, folder: Path, packages: Path, environment: dict[str, str]) -> None:
    """Run a file of tests; those that fail are the message of this test's failure."""
    for source in SOURCES.glob("*.mjs"):
        shutil.copy(source, folder)
    (folder / "node_modules").symlink_to(packages)
    command = [_node(packages), "--test", "--test-force-exit", "--test-reporter=spec", file]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment, "NO_COLOR": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=_RUN_TIMEOUT_S,
        preexec_fn=die_with_parent,
    )
    if done.returncode != 0:
        pytest.fail(f"{file}:\n{done.stdout[-8000:]}\n{done.stderr[-2000:]}")


def _node(packages: Path) -> str:
    """Return the Node that the lock names: distributions have older ones than the SDK wants."""
    found = sorted(packages.glob("node-linux-*/bin/node"))
    return str(found[0]) if found else find_program("node")
