"""What the client API refuses of relations, and that it does so only while it can know."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from matrix.errors import Unavailable
from tests.component.clientapi.clientapi_server import House, Options, User, running_house


class Annotations:
    """Client sync as far as it is asked: what was annotated, and by which request."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, ...], str] = {}
        self.asked = 0
        self.is_away = False

    async def query_has_annotated(
        self,
        *,
        room_id: str,
        parent_id: str,
        sender: str,
        event_type: str,
        key: str,
        device_id: str,
        transaction_id: str,
    ) -> bool:
        self.asked += 1
        if self.is_away:
            raise Unavailable("Away.")
        sent = f"{device_id} {transaction_id}"
        annotation = (room_id, parent_id, sender, event_type, key)
        known = self.known.get(annotation)
        # Others may ask meanwhile.
        await asyncio.sleep(0)
        self.known.setdefault(annotation, sent)
        # What was sent without a transaction is never a repeat of it.
        return known is not None and (known != sent or not transaction_id)


@pytest.fixture
def annotations() -> Annotations:
    return Annotations()


@pytest.fixture(name="house")
async def fixture_house(tmp_path: Path, annotations: Annotations) -> AsyncIterator[House]:
    async with running_house(tmp_path, Options(relations=annotations)) as house:
        yield house


def reaction(event_id: str, key: Any = "👍") -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": key}}


async def test_a_reaction_is_sent_once(alice: User, bob: User, room_id: str) -> None:
    event_id = (await alice.send(room_id)).json["event_id"]

    first = await alice.send(room_id, reaction(event_id), kind="m.reaction")
    again = await alice.send(room_id, reaction(event_id), kind="m.reaction")
    other_key = await alice.send(room_id, reaction(event_id, "👎"), kind="m.reaction")
    other_type = await alice.send(room_id, reaction(event_id), kind="org.example.reaction")
    by_bob = await bob.send(room_id, reaction(event_id), kind="m.reaction")

    assert first.status == 200
    assert (again.status, again.errcode) == (400, "M_DUPLICATE_ANNOTATION")
    assert (other_key.status, other_type.status, by_bob.status) == (200, 200, 200)


async def test_state_that_reacts_is_set_once(alice: User, room_id: str) -> None:
    event_id = (await alice.send(room_id)).json["event_id"]
    kind = "org.example.verdict"

    first = await alice.set_state(room_id, kind, reaction(event_id))
    unchanged = await alice.set_state(room_id, kind, reaction(event_id))
    elsewhere = await alice.set_state(room_id, kind, reaction(event_id), "other")
    with_more = await alice.set_state(room_id, kind, {**reaction(event_id), "note": "again"})
    as_message = await alice.send(room_id, reaction(event_id), kind=kind)
    other_key = await alice.set_state(room_id, kind, reaction(event_id, "👎"))

    assert (first.status, other_key.status) == (200, 200)
    assert unchanged.json == first.json
    for again in (elsewhere, with_more, as_message):
        assert (again.status, again.errcode) == (400, "M_DUPLICATE_ANNOTATION")


async def test_state_starts_no_thread_at_an_event_that_is_related(
    alice: User, room_id: str
) -> None:
    event_id = (await alice.send(room_id)).json["event_id"]
    related = (await alice.send(room_id, reaction(event_id), kind="m.reaction")).json["event_id"]
    threads = [
        {"m.relates_to": {"rel_type": "m.thread", "event_id": one}} for one in (event_id, related)
    ]

    answers = [await alice.set_state(room_id, "org.example.note", one) for one in threads]

    assert answers[0].status == 200
    assert (answers[1].status, answers[1].errcode) == (400, "M_UNKNOWN")


async def test_a_repeated_request_is_no_second_reaction(alice: User, room_id: str) -> None:
    event_id = (await alice.send(room_id)).json["event_id"]

    first = await alice.send(room_id, reaction(event_id), kind="m.reaction", transaction="same")
    again = await alice.send(room_id, reaction(event_id), kind="m.reaction", transaction="same")

    assert first.status == 200
    assert again.json == first.json


async def test_of_two_reactions_at_the_same_moment_one_stands(alice: User, room_id: str) -> None:
    event_id = (await alice.send(room_id)).json["event_id"]

    both = await asyncio.gather(
        *(alice.send(room_id, reaction(event_id), kind="m.reaction") for _ in range(2))
    )

    assert sorted(answer.status for answer in both) == [200, 400]


async def test_reactions_go_through_while_nobody_can_tell(
    alice: User, room_id: str, annotations: Annotations
) -> None:
    event_id = (await alice.send(room_id)).json["event_id"]
    annotations.is_away = True

    answers = [await alice.send(room_id, reaction(event_id), kind="m.reaction") for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert annotations.asked == 2


async def test_nobody_is_asked_about_what_is_no_annotation(
    alice: User, room_id: str, annotations: Annotations
) -> None:
    event_id = (await alice.send(room_id)).json["event_id"]
    contents: list[Any] = [
        {"body": "hm", "m.relates_to": {"rel_type": "m.thread", "event_id": event_id}},
        {"body": "hm", "m.relates_to": {"rel_type": "m.annotation", "event_id": event_id}},
        {"body": "hm", "m.relates_to": {"m.in_reply_to": {"event_id": event_id}}},
        {"body": "hm", "m.relates_to": ["m.annotation"]},
        reaction(event_id, 5),
        reaction("no event ID"),
    ]

    answers = [await alice.send(room_id, content) for content in contents]

    assert [answer.status for answer in answers] == [200] * len(contents)
    assert annotations.asked == 0


async def test_a_thread_tells_nothing_of_another_room(alice: User, bob: User) -> None:
    secret = await alice.create_room()
    first = (await alice.send(secret)).json["event_id"]
    reference = {"body": "x", "m.relates_to": {"rel_type": "m.reference", "event_id": first}}
    related = (await alice.send(secret, reference)).json["event_id"]
    room_id = await bob.create_room()

    answers = [
        await bob.send(
            room_id, {"body": "?", "m.relates_to": {"rel_type": "m.thread", "event_id": one}}
        )
        for one in (first, related)
    ]

    assert [answer.status for answer in answers] == [200, 200]
