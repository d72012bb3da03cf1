"""A component that was added by the steps of CONTRIBUTING.md, as processes of a cluster."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from localcluster.programs import ProgramMissing, find_program, free_port
from tests.fixtures.servers import missing
from tests.fixtures.toy_components import CUPS, checkout_with_toys
from tests.system.client import Homeserver
from tests.system.server_process import environment

_STOP_TIMEOUT_S = 60


@pytest.fixture(name="url")
def fixture_url(tmp_path: Path) -> Iterator[str]:
    """The address of a cluster whose code has the toys."""
    try:
        for program in ("java", "postgres"):
            find_program(program, *map(str, Path("/usr/lib/postgresql").glob("*/bin")))
    except ProgramMissing as absent:
        missing(str(absent))
    checkout, port = checkout_with_toys(tmp_path / "checkout"), free_port()
    arguments = ("--port", str(port), "--partitions", "2", "--balancer", "own")
    cluster = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "cluster", *arguments],
        cwd=tmp_path,
        env=environment(python_path=str(checkout)),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert cluster.stdout is not None
        told: list[str] = []
        while told[-1:] not in ([""], ["Stop it with Ctrl-C.\n"]):
            told.append(cluster.stdout.readline())
        assert any(line.startswith("teapot-1 ") for line in told), told
        yield f"http://127.0.0.1:{port}"
    finally:
        cluster.terminate()
        cluster.communicate(timeout=_STOP_TIMEOUT_S)


async def test_apart_it_is_asked_over_http(url: str, http: aiohttp.ClientSession) -> None:
    homeserver = Homeserver(http, lambda: url)
    alice = await homeserver.register("alice")
    before = await homeserver.call("GET", CUPS, token=alice.token)
    path = f"/user/{alice.user_id}/account_data/org.example.tea"
    for number in range(3):
        await alice.call("PUT", path, body={"number": number})

    after = await homeserver.call("GET", CUPS, token=alice.token)
    assert after["cups"] == before["cups"] + 3
