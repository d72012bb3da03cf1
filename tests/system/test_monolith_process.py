"""The monolith as a process: how it starts, why it refuses to, and how it stops."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from tests.fixtures.certificates import certificate_of, make_certificate
from tests.fixtures.servers import find_program
from tests.system.server_process import ServerProcess, environment, xylem


def refusal(folder: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Return what a monolith with these settings says that cannot start."""
    config = folder / "refused.yaml"
    config.write_text(yaml.safe_dump({"data_dir": str(folder / "data")} | settings))
    ended = xylem("monolith", "--config", str(config), cwd=folder)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended


async def register(http: aiohttp.ClientSession, server: ServerProcess, name: str) -> Any:
    body = {"username": name, "password": "wonderland", "auth": {"type": "m.login.dummy"}}
    async with http.post(f"{server.url}/_matrix/client/v3/register", json=body) as response:
        assert response.status == 200
        return await response.json()


async def login(http: aiohttp.ClientSession, server: ServerProcess, name: str) -> int:
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": name},
        "password": "wonderland",
    }
    async with http.post(f"{server.url}/_matrix/client/v3/login", json=body) as response:
        return response.status


async def test_a_server_that_has_started_answers_clients_and_probes(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{server.url}/_matrix/client/versions") as response:
        assert "v1.1" in (await response.json())["versions"]
    async with http.get(f"{server.url}/health/live") as response:
        assert (response.status, await response.json()) == (200, {"live": True})
    async with http.get(f"{server.url}/health/ready") as response:
        found = await response.json()
        assert (response.status, found["ready"]) == (200, True)
        assert {"log", "userapi database", "roomserver InputRoomEvent"} <= found["checks"].keys()
        assert set(found["checks"].values()) == {"ok"}


async def test_a_server_that_serves_clients_loads_no_library_that_only_others_use(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    server = ServerProcess(tmp_path, module="tests.system.loaded_modules")
    server.start()
    account = await register(http, server, "alice")
    authorization = {"Authorization": f"Bearer {account['access_token']}"}
    async with http.post(
        f"{server.url}/_matrix/client/v3/createRoom", json={}, headers=authorization
    ) as response:
        assert response.status == 200
    async with http.get(f"{server.url}/_matrix/client/v3/sync", headers=authorization) as response:
        assert len((await response.json())["rooms"]["join"]) == 1

    assert server.stop() == 0
    loaded = (tmp_path / "loaded").read_text(encoding="utf-8").split()
    assert "components.syncapi.assembly" in loaded
    assert {"aiohttp", "aiokafka", "asyncpg", "fastapi", "opentelemetry", "pydantic"}.isdisjoint(
        loaded
    )


async def test_metrics_count_requests_by_route(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{server.url}/_matrix/client/versions") as response:
        assert response.status == 200

    async with http.get(f"{server.url}/metrics") as response:
        text = await response.text()

    assert 'route="/_matrix/client/versions",status="200"' in text
    assert "process_resident_memory_bytes" in text


async def test_a_listener_serves_only_its_apis(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    server = ServerProcess(tmp_path, {"listeners": [{"port": 0, "apis": ["health"]}]})
    try:
        server.start()
        async with http.get(f"{server.url}/_matrix/client/versions") as response:
            assert response.status == 404
    finally:
        server.kill()


def test_the_first_start_makes_a_signing_key_that_only_its_owner_reads(
    server: ServerProcess,
) -> None:
    key = server.folder / "data" / "signing.key"

    assert key.read_text().startswith("ed25519 ")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_nobody_else_reads_the_files_that_a_server_makes(server: ServerProcess) -> None:
    data = server.folder / "data"
    made = {path: stat.S_IMODE(path.stat().st_mode) for path in data.rglob("*")}

    open_to_others = {path: oct(mode) for path, mode in made.items() if mode & 0o077}

    assert {path.suffix for path in made} >= {".db", ".log", ".key"}
    assert open_to_others == {}


async def test_sighup_lets_a_server_show_its_new_certificate(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    tls = {"certificate_path": str(certificate), "key_path": str(key)}
    server = ServerProcess(tmp_path, {"listeners": [{"port": 0, "apis": ["client"], "tls": tls}]})
    try:
        await asyncio.to_thread(server.start)
        port = urlsplit(server.url).port or 0
        shown = [await certificate_of(port)]
        first = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        make_certificate(tmp_path)
        shown.append(await certificate_of(port))
        os.kill(server.pid, signal.SIGHUP)
        await asyncio.to_thread(server.wait_for_line, "The certificates were read again")
        shown.append(await certificate_of(port))
    finally:
        server.kill()

    assert shown == [first, first, ssl.PEM_cert_to_DER_cert(certificate.read_text())]
    assert shown[2] != first


async def test_a_server_that_is_told_to_stop_ends_well_and_keeps_its_data(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    await register(http, server, "alice")

    code = server.stop()
    server.start()

    assert code == 0
    assert not [line for line in server.lines if line.get("level") == "error"]
    assert await login(http, server, "alice") == 200


async def test_a_waiting_sync_is_answered_when_the_server_stops(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    token = (await register(http, server, "alice"))["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    async def sync(query: str) -> Any:
        url = f"{server.url}/_matrix/client/v3/sync?{query}"
        async with http.get(url, headers=headers) as response:
            assert response.status == 200
            return await response.json()

    since = (await sync(""))["next_batch"]
    since = (await sync(f"since={since}"))["next_batch"]
    waiting = asyncio.create_task(sync(f"since={since}&timeout=60000"))
    # Answered on another connection, later than the one that waits was sent.
    await sync(f"since={since}")

    assert await asyncio.to_thread(server.stop) == 0
    assert (await waiting)["next_batch"]


async def test_a_server_that_was_killed_keeps_what_it_has_answered(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    await register(http, server, "alice")

    server.kill()
    server.start()

    assert await login(http, server, "alice") == 200


async def test_an_account_can_be_made_while_the_server_runs(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    config = str(server.config_path)

    made = xylem(
        "create-account", "bob", "--config", config, cwd=server.folder, stdin="wonderland\n"
    )
    again = xylem(
        "create-account", "bob", "--config", config, "--password", "wonderland", cwd=server.folder
    )

    assert made.stdout == "Created @bob:localhost.\n"
    assert await login(http, server, "bob") == 200
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("xylem: The account cannot be made: ")


@pytest.mark.kafka
@pytest.mark.postgres
async def test_a_server_on_kafka_and_postgresql_keeps_its_data(
    tmp_path: Path, http: aiohttp.ClientSession, kafka_broker: str, postgres_url: str
) -> None:
    kafka = {"bootstrap_servers": [kafka_broker], "topic_prefix": "monolith-", "partitions": 2}
    settings = {"log": {"kafka": kafka}, "database": {"url": postgres_url}}
    server = ServerProcess(tmp_path, settings)
    try:
        server.start()
        token = (await register(http, server, "alice"))["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        rooms = f"{server.url}/_matrix/client/v3/createRoom"
        async with http.post(rooms, json={}, headers=headers) as response:
            assert response.status == 200

        assert await asyncio.to_thread(server.stop) == 0
        server.start()

        joined = f"{server.url}/_matrix/client/v3/sync"
        async with http.get(joined, headers=headers) as response:
            assert len((await response.json())["rooms"]["join"]) == 1
    finally:
        server.kill()


def test_a_second_server_on_the_same_data_is_refused(server: ServerProcess) -> None:
    ended = refusal(server.folder)

    assert "Another server runs on the data directory" in ended.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = refusal(tmp_path, listeners=[{"port": port}])

    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in ended.stderr
    assert "another address or port" in ended.stderr


def test_a_port_that_needs_a_right_says_which(tmp_path: Path) -> None:
    config = tmp_path / "low.yaml"
    config.write_text("listeners: [{port: 443}]")
    without_rights = [find_program("setpriv"), "--bounding-set=-net_bind_service", "--"]
    monolith = [sys.executable, "-m", "deploy.cli", "monolith", "--config", str(config)]

    ended = subprocess.run(
        [*(without_rights if os.geteuid() == 0 else ()), *monolith],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 1
    assert "no right to listen on 127.0.0.1 port 443" in ended.stderr
    assert "CAP_NET_BIND_SERVICE" in ended.stderr


def test_a_bad_key_file_is_named(tmp_path: Path) -> None:
    key = tmp_path / "my.key"
    key.write_text("ed25519 1 nonsense")

    ended = refusal(tmp_path, signing_key_path=str(key))

    assert f"The signing key {key} is not valid" in ended.stderr


def test_a_key_that_went_missing_is_not_replaced(server: ServerProcess) -> None:
    server.stop()
    (server.folder / "data" / "signing.key").unlink()

    ended = refusal(server.folder)

    assert "signing.key is missing" in ended.stderr
    assert "Restore it from the backup" in ended.stderr


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ended = refusal(tmp_path, data_dir=str(tmp_path / "file" / "data"))

    assert f"The data directory {tmp_path / 'file' / 'data'} cannot be made" in ended.stderr


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nonsense")
    tls = {"certificate_path": str(tmp_path / "cert.pem"), "key_path": str(tmp_path / "key.pem")}

    ended = refusal(tmp_path, listeners=[{"port": 0, "tls": tls}])

    assert f"The certificate {tmp_path / 'cert.pem'} with key" in ended.stderr


def test_a_schema_of_a_newer_version_is_refused(server: ServerProcess) -> None:
    server.stop()
    statement = "UPDATE schema_version SET version = 999"
    database = server.folder / "data" / "databases" / "roomserver.db"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)

    ended = refusal(server.folder)

    assert "The roomserver database has schema version 999" in ended.stderr
    assert "run a newer Xylem" in ended.stderr


def test_migrate_makes_all_databases(tmp_path: Path) -> None:
    config = tmp_path / "xylem.yaml"
    config.write_text(yaml.safe_dump({"data_dir": str(tmp_path / "data")}))

    ended = xylem("migrate", "--config", str(config), cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^userapi: schema version \d+$", ended.stdout, re.MULTILINE)
    assert (tmp_path / "data" / "databases" / "userapi.db").exists()
