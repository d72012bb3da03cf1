"""Users who block invites do not hear of those that there are."""

import pytest

from logs.records.room_output import InviteReceived
from tests.component.syncapi.story import ALICE, BOB, House, Room

PERMISSION = "m.invite_permission_config"


async def invited(house: House) -> list[str]:
    """Let bob be invited into a room of this server and one of another, and return both."""
    room, afar = Room(), Room("afar")
    invite = afar.build("m.room.member", {"membership": "invite"}, state_key=BOB)
    await house.put(
        *room.created(),
        room.member(BOB, "invite", by=ALICE),
        InviteReceived(afar.room_id, invite.event_id, "11", invite.raw, BOB, []),
    )
    return sorted([room.room_id, afar.room_id])


async def told(house: House, since: str | None = None) -> list[str]:
    """Return the rooms that /sync tells bob to be invited into."""
    answer = await house.sync(BOB, since)
    return sorted(answer.get("rooms", {}).get("invite", {}))


async def test_invites_are_not_told_while_they_are_blocked(house: House) -> None:
    since = (await house.sync(BOB))["next_batch"]
    await house.put_account_data(BOB, PERMISSION, {"default_action": "block"})
    rooms = await invited(house)

    assert await told(house) == []
    assert await told(house, since) == []

    await house.put_account_data(BOB, PERMISSION, {})
    assert await told(house) == rooms


@pytest.mark.parametrize("content", [{}, {"default_action": "allow"}, {"default_action": ["x"]}])
async def test_invites_are_told_otherwise(house: House, content: dict[str, object]) -> None:
    await house.put_account_data(BOB, PERMISSION, content)
    rooms = await invited(house)

    assert await told(house) == rooms
