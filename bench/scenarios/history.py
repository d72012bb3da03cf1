"""Members page backwards through 2000 messages, a hundred a page, one after another."""

import orjson

from bench.client import AT_ONCE, User, messages_path, open_connections, token_in
from bench.conversation import Ledger, message_job, open_room
from bench.http import Answer, Connection, build_request
from bench.load import closed_loop
from bench.stage import Stage
from bench.timeline import Event
from bench.verify import check_room, check_same_set, seen_in

READERS = 5
MESSAGES = 2000
PAGE = 100


async def run(stage: Stage) -> None:
    """Measure how fast a room's history is read."""
    client = stage.client
    readers = await client.register_many("reader", READERS)
    room_id = await open_room(client, readers)
    messages = stage.sized(MESSAGES, least=2 * PAGE)
    numbers = range(1, messages + 1)
    waiting = iter([message_job(readers[n % READERS], room_id, n) for n in numbers])
    walks: dict[str, list[Answer]] = {}
    async with open_connections(client.address, AT_ONCE) as connections:
        ledger = Ledger(await closed_loop(connections, [waiting] * AT_ONCE))
        with stage.phase("page") as phase:
            for reader in readers:
                walks[reader.user_id] = await walk(connections[0], reader, room_id, messages)
        stage.close_phase(phase, [page for pages in walks.values() for page in pages])
    check_walks(stage, ledger, room_id, walks)


async def walk(connection: Connection, user: User, room_id: str, messages: int) -> list[Answer]:
    """Read all pages from the end to the start; on an error, or without end, stop."""
    pages: list[Answer] = []
    start: str | None = None
    while len(pages) < 2 * messages / PAGE + 10:
        path = messages_path(room_id, start=start, limit=PAGE)
        page = await connection.request(build_request("GET", path, token=user.token))
        pages.append(page)
        start = token_in(page.body, b"end") if page.ok else None
        if start is None:
            break
    return pages


def check_walks(stage: Stage, ledger: Ledger, room_id: str, walks: dict[str, list[Answer]]) -> None:
    """File what is wrong in the history that each reader got."""
    histories: dict[str, list[Event]] = {}
    for reader, pages in walks.items():
        chunks = [orjson.loads(page.body)["chunk"] for page in pages if page.ok]
        histories[reader] = [event for chunk in chunks for event in chunk][::-1]
    messages = {
        reader: [seen_in(event) for event in events if event["type"] == "m.room.message"]
        for reader, events in histories.items()
    }
    acknowledged = ledger.acknowledged[room_id]
    uncertain = ledger.uncertain.get(room_id, set())
    # Several connections of one sender are under way at once: no order of sending to check.
    stage.outcome.findings.add(
        check_room(acknowledged, uncertain, messages, senders_in_order=False)
    )
    others = {
        reader: [event["event_id"] for event in events if event["type"] != "m.room.message"]
        for reader, events in histories.items()
    }
    expected = {event_id for found in others.values() for event_id in found}
    for reader, found in others.items():
        stage.outcome.findings.add(check_same_set(expected, found, f"state for {reader}"))
