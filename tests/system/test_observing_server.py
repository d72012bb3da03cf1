"""What operators see of a running server: its metrics, and the way of one request."""

import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from deploy.generating.metrics_reference import SECTIONS
from tests.system.client import V3, Homeserver, is_told, send_path
from tests.system.server_process import SHARED_SECRET, ServerProcess

DOCUMENTED = {family.name for _, families in SECTIONS for family in families}
ELSEWHERE = {
    "xylem_consumer_unknown_records",
    "xylem_internalapi_call_seconds",
    "xylem_log_over_size_bytes",
    "xylem_reader_unknown_records",
}
"""Families of processes that call others or are too old for a record, and of topics that have
outgrown their size."""


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[ServerProcess]:
    """A monolith that tells everything and stands behind a proxy."""
    apis = ["client", "health", "metrics"]
    process = ServerProcess(
        tmp_path,
        {
            "listeners": [{"port": 0, "apis": apis, "trusted_proxies": ["127.0.0.1"]}],
            "logging": {"format": "json", "level": "debug"},
            "observing": {"access_log": True},
        },
    )
    process.start()
    yield process
    process.kill()


async def test_all_metrics_of_a_running_server_are_documented(
    talkative: ServerProcess, http: aiohttp.ClientSession
) -> None:
    server = Homeserver(http, lambda: talkative.url, shared_secret=SHARED_SECRET)
    alice = await server.register("alice")
    room_id = await alice.create_room()
    since = (await alice.sync())["next_batch"]
    await alice.sync_until(since, is_told(room_id, await alice.send(room_id, "hello")))

    async with http.get(f"{talkative.url}/metrics") as answer:
        text = await answer.text()

    shown = set(re.findall(r"^# TYPE (xylem_\S+)", text, re.MULTILINE))
    assert shown == DOCUMENTED - ELSEWHERE
    route = f'route="{V3}/rooms/{{room_id}}/send/{{event_type}}/{{transaction_id}}"'
    assert route in text
    assert "alice" not in text
    assert room_id not in text
    for consumer, topic in (
        ("roomserver", "InputRoomEvent"),
        ("syncapi", "OutputRoomEvent"),
        ("syncapi", "OutputClientData"),
    ):
        labels = f'{{consumer="{consumer}",topic="{topic}",partition="0"}}'
        assert f"xylem_consumer_lag_records{labels} 0" in text
    assert value(text, 'xylem_consumer_rejected_total{consumer="roomserver"') == 0
    assert value(text, "xylem_clientapi_verdict_seconds_count") > 0
    assert value(text, 'xylem_log_appended_records_total{topic="InputRoomEvent"') > 0
    written = 'xylem_database_transaction_seconds_count{component="roomserver",access="write"'
    assert value(text, written) > 0


def value(text: str, start: str) -> float:
    """Return the value of the metric whose line begins so."""
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return float(line.rpartition(" ")[2])


async def test_a_request_is_known_by_its_id_in_the_lines_of_all_who_deal_with_it(
    talkative: ServerProcess, http: aiohttp.ClientSession
) -> None:
    server = Homeserver(http, lambda: talkative.url, shared_secret=SHARED_SECRET)
    alice = await server.register("alice")
    room_id = await alice.create_room()
    since = (await alice.sync())["next_batch"]

    async with http.put(
        f"{talkative.url}{V3}{send_path(room_id, 'one')}",
        json={"msgtype": "m.text", "body": "hello"},
        headers={"Authorization": f"Bearer {alice.token}", "X-Request-ID": "from-the-proxy"},
    ) as answer:
        event_id = (await answer.json())["event_id"]
        assert answer.headers["X-Request-ID"] == "from-the-proxy"
    await alice.sync_until(since, is_told(room_id, event_id))
    talkative.stop()

    told = [line for line in talkative.lines if line.get("request") == "from-the-proxy"]
    readers = {
        line["logger"].split(".")[1]: line["event_id"]
        for line in told
        if line["logger"].startswith("components.") and "event_id" in line
    }
    assert readers == {"roomserver": event_id, "syncapi": event_id}
    (access,) = [line for line in told if line["logger"] == "xylem.access"]
    assert (access["method"], access["status"]) == ("PUT", 200)
    assert access["route"].endswith("/rooms/{room_id}/send/{event_type}/{transaction_id}")


async def test_the_access_log_shows_what_clients_ask_for_in_vain_and_names_nobody(
    talkative: ServerProcess, http: aiohttp.ClientSession
) -> None:
    missed = f"{talkative.url}{V3}/rooms/!secret:localhost/knit/@alice:localhost"
    async with http.get(missed, headers={"X-Request-ID": "in-vain"}) as answer:
        assert answer.status == 404
    async with http.get(f"{talkative.url}{V3}/capabilities", headers={"X-Request-ID": "known"}):
        pass
    talkative.stop()

    lines = {
        line["request"]: line for line in talkative.lines if line.get("logger") == "xylem.access"
    }
    assert (lines["in-vain"]["route"], lines["in-vain"]["status"]) == ("", 404)
    assert lines["in-vain"]["asked"] == f"{V3}/rooms/{{}}/knit/{{}}"
    assert "asked" not in lines["known"]
