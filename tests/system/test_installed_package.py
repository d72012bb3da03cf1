"""What `pip install .` installs: a server that works, without the tools that tests want."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import aiohttp
import pytest

from tests.fixtures.servers import last_line, missing
from tests.system.server_process import CHECKOUT, ServerProcess

_PARTS = ("pyproject.toml", "README.md", "LICENSE")
_PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
_PACKAGES = _PROJECT["tool"]["importlinter"]["root_packages"]
_TOOLS = ("pytest", "hypothesis", "mypy", "nio", "psutil", "asyncpg", "aiokafka")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment in which `pip install .` was done."""
    folder = tmp_path_factory.mktemp("installed")
    # Building leaves files beside the sources.
    source = folder / "checkout"
    source.mkdir()
    for name in _PARTS:
        shutil.copy(CHECKOUT / name, source)
    for name in _PACKAGES:
        shutil.copytree(CHECKOUT / name, source / name)
    assert run(sys.executable, "-m", "venv", folder / "venv").returncode == 0
    programs = folder / "venv" / "bin"
    done = run(programs / "pip", "install", "--quiet", source)
    if done.returncode != 0:
        missing(f"pip could not install the packages: {last_line(done.stderr)}")
    return programs


async def test_it_runs_a_server(
    installed: Path, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    server = ServerProcess(tmp_path, installed=installed / "xylem")
    server.start()
    try:
        async with http.get(f"{server.url}/_matrix/client/versions") as response:
            assert response.status == 200
    finally:
        server.stop()


@pytest.mark.parametrize("tool", _TOOLS)
def test_it_brings_no_tools_of_tests_and_nothing_for_other_ways_to_run(
    installed: Path, tool: str
) -> None:
    assert run(installed / "python", "-c", f"import {tool}").returncode == 1
