"""A component as a process: what it waits for, what it shows meanwhile, and how it stops."""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from localcluster.cluster import CHECKOUT, LocalCluster
from localcluster.programs import Program, ProgramMissing
from tests.fixtures.servers import missing
from tests.system.client import PASSWORD, Homeserver
from tests.system.cluster.conftest import SETTINGS, RunningCluster
from tests.system.follower import follower_of, following
from tests.system.server_process import SHARED_SECRET, environment


async def health(http: aiohttp.ClientSession, port: int, probe: str) -> tuple[int, Any]:
    async with http.get(f"http://127.0.0.1:{port}/health/{probe}") as response:
        return response.status, await response.json()


def xylem(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        cwd=CHECKOUT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def parts() -> Iterator[LocalCluster]:
    """A cluster of which nothing runs yet."""
    folder = Path(tempfile.mkdtemp(prefix="xylem-cluster-"))
    folder.chmod(0o755)
    try:
        try:
            cluster = LocalCluster(folder, settings=SETTINGS)
        except ProgramMissing as absent:
            missing(str(absent))
        try:
            yield cluster
        finally:
            for program in cluster.programs():
                program.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def until_waits_for(
    http: aiohttp.ClientSession, process: Program, port: int, what: str
) -> None:
    """Return once the process says that it lives, is not ready, and why."""
    async with asyncio.timeout(60):
        while True:
            assert process.exit_code is None, process.output.read_text()
            try:
                live, _ = await health(http, port, "live")
                ready, shown = await health(http, port, "ready")
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
                continue
            assert live == 200
            assert ready == 503
            if any(what in name for name in shown["checks"]):
                return
            await asyncio.sleep(0.05)


async def test_a_process_waits_for_each_dependency_and_says_for_which(
    parts: LocalCluster, http: aiohttp.ClientSession
) -> None:
    clientapi = parts.processes["clientapi-1"]
    port = clientapi.ports.health

    clientapi.program.start()
    await until_waits_for(http, clientapi.program, port, "The log")
    await asyncio.to_thread(parts.kafka.start)
    await until_waits_for(http, clientapi.program, port, "roomserver")
    for name in ("roomserver-1", "userapi-1"):
        process = parts.processes[name]
        process.program.start()
        await until_waits_for(http, process.program, process.ports.health, "database")
    await asyncio.to_thread(parts.postgres.start)
    await asyncio.to_thread(clientapi.wait_until_ready)

    said = clientapi.program.output.read_text()
    waited_for = [
        line["what"]
        for line in map(json.loads, said.splitlines())
        if line["message"] == "Waiting for a dependency"
    ]
    assert list(dict.fromkeys(waited_for))[:2] == ["The log", "roomserver"]
    async with http.get(f"http://127.0.0.1:{port}/health/live") as response:
        assert response.status == 200


async def test_a_process_that_waits_can_be_stopped(
    parts: LocalCluster, http: aiohttp.ClientSession
) -> None:
    process = parts.processes["roomserver-1"]
    process.program.start()
    await until_waits_for(http, process.program, process.ports.health, "The log")

    assert await asyncio.to_thread(process.program.stop) == 0


@pytest.fixture
async def internal_url(running_cluster: RunningCluster) -> str:
    """Where the user API is called by other components."""
    process = running_cluster.cluster.processes["userapi-1"]
    return f"http://127.0.0.1:{process.ports.internal}"


CALL = "/internal/userapi/Authentication/query_token"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guessed"}])
async def test_the_internal_port_refuses_calls_without_the_secret(
    internal_url: str, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    for path in (CALL, "/internal/process/Process/query_status"):
        async with http.post(internal_url + path, data=b"\x80", headers=headers) as response:
            assert response.status == 401


async def test_the_internal_port_serves_clients_nothing(
    internal_url: str, http: aiohttp.ClientSession
) -> None:
    for path in ("/_matrix/client/versions", "/metrics", "/health/live"):
        async with http.get(internal_url + path) as response:
            assert response.status == 404


async def test_nothing_internal_is_reached_through_a_public_port(
    running_cluster: RunningCluster, http: aiohttp.ClientSession
) -> None:
    cluster = running_cluster.cluster
    settings = yaml.safe_load(cluster.config_path.read_text())
    headers = {"Authorization": f"Bearer {settings['internal']['secret']}"}
    public = [f"http://127.0.0.1:{one.ports.client}" for one in cluster.processes.values()]

    for url in (cluster.url, *public):
        async with http.post(url + CALL, data=b"\x80", headers=headers) as response:
            assert response.status == 404


@pytest.fixture
async def alone(running_cluster: RunningCluster, http: aiohttp.ClientSession) -> Homeserver:
    """The cluster as a user of this test sees it."""
    suffix = f".{len(await asyncio.to_thread(running_cluster.errors))}.run"
    return Homeserver(
        http, lambda: running_cluster.url, shared_secret=SHARED_SECRET, name_suffix=suffix
    )


async def test_a_long_poll_is_answered_when_its_process_stops(
    running_cluster: RunningCluster, alone: Homeserver, http: aiohttp.ClientSession
) -> None:
    [alice] = await alone.register_all("alice")
    since = (await alice.sync())["next_batch"]
    since = (await alice.sync(since))["next_batch"]
    process = running_cluster.cluster.processes["syncapi-1"]
    url = f"http://127.0.0.1:{process.ports.client}/_matrix/client/v3/sync"
    headers = {"Authorization": f"Bearer {alice.token}"}

    async def poll() -> int:
        query = {"since": since, "timeout": "50000"}
        async with http.get(url, params=query, headers=headers) as response:
            await response.read()
            return response.status

    waiting = asyncio.create_task(poll())
    await alice.sync(since)

    assert await asyncio.to_thread(process.program.stop) == 0
    assert await waiting == 200
    process.program.start()
    await asyncio.to_thread(process.wait_until_ready)


async def test_a_deactivated_user_leaves_though_the_components_are_apart(
    alone: Homeserver,
) -> None:
    alice, bob = await alone.register_all("carol", "dave")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    identifier = {"type": "m.id.user", "user": bob.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}

    follower = await follower_of(alice)

    async with following(follower):
        await bob.call("POST", "/account/deactivate", {"auth": auth})
        await follower.until(lambda: bool(follower.rooms.get(room_id)))

    [left] = follower.rooms[room_id]
    assert (left["state_key"], left["content"]["membership"]) == (bob.user_id, "leave")


def test_status_shows_processes_topics_and_lag(running_cluster: RunningCluster) -> None:
    config = str(running_cluster.cluster.config_path)

    shown = xylem("status", "--config", config)
    status = json.loads(xylem("status", "--json", "--config", config).stdout)

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("All is well.\n")
    assert "\ncomponent " in shown.stdout
    assert {one["component"] for one in status["processes"] if one["state"] == "ready"} >= {
        "userapi",
        "roomserver",
        "syncapi",
        "clientapi",
    }
    assert "InputRoomEvent" in [one["topic"] for one in status["topics"]]
    lags = {(one["consumer"], one["topic"]): one["lag"] for one in status["consumers"]}
    assert set(lags["roomserver", "InputRoomEvent"]) == {"0", "1", "2", "3"}
    assert status["is_well"]


def test_status_says_what_is_away(running_cluster: RunningCluster, tmp_path: Path) -> None:
    settings = yaml.safe_load(running_cluster.cluster.config_path.read_text())
    settings["internal"]["urls"] = {"userapi": "http://127.0.0.1:1"}
    config = tmp_path / "xylem.yaml"
    config.write_text(yaml.safe_dump(settings))

    shown = xylem("status", "--config", str(config))

    assert shown.returncode == 3
    assert shown.stdout.startswith("Not all is well.\n- userapi at http://127.0.0.1:1: ")
    assert "cannot be reached" in shown.stdout


def test_topics_that_fit_are_shown_and_missing_ones_made(
    running_cluster: RunningCluster, tmp_path: Path
) -> None:
    settings = yaml.safe_load(running_cluster.cluster.config_path.read_text())
    config = tmp_path / "xylem.yaml"
    config.write_text(yaml.safe_dump(settings))
    there = xylem("topics", "--check", "--config", str(config))

    settings["log"]["kafka"] |= {"topic_prefix": "other.", "partitions": 2}
    config.write_text(yaml.safe_dump(settings))
    missing_before = xylem("topics", "--check", "--config", str(config))
    made = xylem("topics", "--config", str(config))
    settings["log"]["kafka"] |= {"partitions": 3}
    config.write_text(yaml.safe_dump(settings))
    unfit = xylem("topics", "--config", str(config))

    assert (there.returncode, there.stderr) == (0, "")
    assert "InputRoomEvent: 4 partitions, 1 copies of each" in there.stdout
    assert missing_before.returncode == 3
    assert "InputRoomEvent is missing." in missing_before.stderr
    assert (made.returncode, made.stderr) == (0, "")
    assert "InputRoomEvent: 2 partitions" in made.stdout
    assert unfit.returncode == 3
    assert "Set log.kafka.partitions to 2." in unfit.stderr


def test_databases_can_be_migrated_by_several_at_once(running_cluster: RunningCluster) -> None:
    config = str(running_cluster.cluster.config_path)
    command = [sys.executable, "-m", "deploy.cli", "migrate", "--config", config]

    several = [
        subprocess.Popen(
            [*command, *named],
            cwd=CHECKOUT,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for named in ([], [], ["roomserver"])
    ]
    ended = [one.communicate(timeout=60)[0] for one in several]

    assert [one.returncode for one in several] == [0, 0, 0]
    assert ended[0] == ended[1]
    assert ended[2].startswith("roomserver: schema version ")
