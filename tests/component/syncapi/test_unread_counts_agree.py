"""Property: counts kept up event by event are those of counting all over, whatever happens."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from components.syncapi.settings import SyncApiSettings
from logs.records.receipts import ReceiptMoved
from logs.records.room_output import EventAdded
from matrix.push_rules.conditions import Circumstances
from matrix.push_rules.evaluation import PushRules
from matrix.push_rules.predefined import default_push_rules
from matrix.push_rules.properties import PushEvent
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, running_house

WARM = SyncApiSettings()
COLD = SyncApiSettings(cached_unread_counts=0, recent_events_bytes=0, cached_push_rules=1)
# Far fewer than there are notifications: most are known as numbers alone.
FOLDED = SyncApiSettings(unread_window=3)
FOLDED_AND_COLD = SyncApiSettings(
    unread_window=3, cached_unread_counts=0, recent_events_bytes=0, cached_push_rules=1
)
FILTER = {"room": {"timeline": {"unread_thread_notifications": True}}}
STEPS = 40
LOUD = ["notify", {"set_tweak": "highlight"}]
MENTION = {"m.mentions": {"user_ids": [BOB]}}
OTHERS = {"m.mentions": {"user_ids": [CHARLIE], "room": True}}
RULES: list[dict[str, Any]] = [
    {},
    {"content": [{"rule_id": "cake", "pattern": "cake", "actions": LOUD}]},
    {"room": [{"rule_id": "!room:xylem.test", "actions": []}]},
    {"sender": [{"rule_id": CHARLIE, "actions": []}]},
]
ABOUT_ALICE = Circumstances(None, 3, lambda _: True)
ABOUT_OTHERS = Circumstances(None, 3, lambda _: False)
BY_CLASS: list[dict[str, Any]] = [{}, {"room": [{"rule_id": "!room:xylem.test", "actions": []}]}]


class Story:
    """What has happened in the room, and what follows for Bob, counted in the plainest way."""

    def __init__(self, seed: int, *, window: int) -> None:
        self.window = window
        self.random = Random(seed)
        self.room = Room()
        self.rules = default_push_rules(BOB)
        self.events: list[dict[str, Any]] = []
        self.sent: list[EventAdded] = []
        self.redacted: set[str] = set()
        self.receipts: dict[str, int] = {}

    def note(self, record: EventAdded) -> EventAdded:
        self.events.append({**orjson.loads(record.pdu), "event_id": record.event_id})
        self.sent.append(record)
        return record

    def thread_of(self, event: Mapping[str, Any]) -> str:
        relation = event["content"].get("m.relates_to")
        return "main" if relation is None else str(relation["event_id"])

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return notifications and highlights by thread."""
        rules = PushRules(BOB, self.rules)
        read = dict(self.receipts)
        for place, event in enumerate(self.events):
            if event["sender"] == BOB:
                thread = self.thread_of(event)
                read[thread] = max(place, read.get(thread, -1))
        found: dict[str, tuple[int, int]] = {}
        for place, event in enumerate(self.events):
            thread = self.thread_of(event)
            is_read = place <= max(read.get("", -1), read.get(thread, -1))
            # Nobody else has the power to mention the room.
            about = ABOUT_ALICE if event["sender"] == ALICE else ABOUT_OTHERS
            verdict = rules.evaluate(PushEvent(event), about)
            if verdict.notify and not is_read and event["event_id"] not in self.redacted:
                total, highlights = found.get(thread, (0, 0))
                found[thread] = total + 1, highlights + verdict.highlight
        return found

    async def step(self, house: House) -> None:
        """Let something happen."""
        chance = self.random.random()
        if chance < 0.6:
            await house.put(self.note(self.message()))
        elif chance < 0.8:
            await self.read_something(house)
        elif chance < 0.9:
            await self.redact_something(house)
        else:
            self.rules = default_push_rules(BOB)
            # Rules that look into events count no more than the window.
            for kind, own in self.random.choice(RULES if self.window > STEPS else BY_CLASS).items():
                self.rules["global"][kind] = own + self.rules["global"][kind]
            await house.put_account_data(BOB, "m.push_rules", self.rules)

    def message(self) -> EventAdded:
        pick: Any = self.random.choice
        content: dict[str, Any] = {
            "msgtype": pick(["m.text", "m.text", "m.notice"]),
            "body": pick(["hi", "cake"]),
        }
        content.update(pick([{}, {}, MENTION, {"m.mentions": {"room": True}}, OTHERS]))
        if self.sent and pick([True, False]):
            root = self.sent[0].event_id
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": root}
        kind = pick(["m.room.message"] * 3 + ["m.room.encrypted", "m.sticker"])
        sender = pick(
            [ALICE, ALICE, CHARLIE, CHARLIE, BOB] if content["msgtype"] == "m.text" else [ALICE]
        )
        if kind == "m.sticker":
            sender = ALICE
        return self.room.added(self.room.build(kind, content, sender=sender))

    async def read_something(self, house: House) -> None:
        if not self.sent:
            return
        place = self.random.randrange(len(self.sent))
        thread = self.random.choice([None, "main", self.sent[0].event_id])
        if place <= self.receipts.get(thread or "", -1):
            return  # the receipt server moves them forward alone
        self.receipts[thread or ""] = place
        event_id = self.sent[place].event_id
        await house.move_receipts(
            ReceiptMoved(self.room.room_id, BOB, "m.read", event_id, 1000, thread)
        )

    async def redact_something(self, house: House) -> None:
        if len(self.sent) < 2:
            return
        # Not the thread's root, which stays what it is to the thread.
        target = self.random.choice(self.sent[1:])
        if target.event_id not in self.redacted:
            self.redacted.add(target.event_id)
            await house.put(*self.room.redacted(target))


def told(answer: dict[str, Any], room: Room) -> dict[str, tuple[int, int]]:
    part = answer["rooms"]["join"][room.room_id]
    found = {"main": part["unread_notifications"], **part.get("unread_thread_notifications", {})}
    pairs = {key: (one["notification_count"], one["highlight_count"]) for key, one in found.items()}
    return {key: pair for key, pair in pairs.items() if pair != (0, 0)}


@pytest.mark.parametrize(
    "settings",
    [WARM, COLD, FOLDED, FOLDED_AND_COLD],
    ids=["warm", "cold", "folded", "folded and cold"],
)
@pytest.mark.parametrize("seed", range(3))
async def test_counts_are_those_of_counting_all_over(
    tmp_path: Path, database_url: str, settings: SyncApiSettings, seed: int
) -> None:
    story = Story(seed, window=settings.unread_window)
    async with running_house(tmp_path, database_url, settings) as house:
        await house.put(*story.room.created(BOB, CHARLIE))
        since = (await house.sync(BOB, filter=FILTER))["next_batch"]
        last: dict[str, tuple[int, int]] = {}
        for _ in range(STEPS):
            await story.step(house)
            answer = await house.sync(BOB, since, filter=FILTER)
            since = answer["next_batch"]
            if story.room.room_id in answer["rooms"].get("join", {}):
                last = told(answer, story.room)
            assert last == story.counts()
        assert told(await house.sync(f"{BOB}/NEW", filter=FILTER), story.room) == last
