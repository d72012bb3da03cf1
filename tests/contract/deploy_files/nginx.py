"""The nginx of this machine."""

import subprocess
from pathlib import Path

from tests.fixtures.servers import find_program


def nginx_program() -> str:
    """Return the path of nginx; skips the test if there is none."""
    return find_program("nginx")


def nginx_accepts(main: Path) -> None:
    """Fail with what nginx has to say of a configuration."""
    said = subprocess.run(
        [nginx_program(), "-t", "-q", "-e", main.parent / "error.log", "-c", main],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, "")
