"""Who is told to type, and until when."""

import itertools
from pathlib import Path

from base.clock import ManualClock, SystemClock
from components.eduserver.settings import EduServerSettings
from components.eduserver.store import select_typing
from logs.records.typing import TypingExpired
from tests.component.eduserver.eduserver_house import (
    ALICE,
    BOB,
    OTHER,
    ROOM,
    House,
    Options,
    running_house,
    types,
)

NOW_MS = ManualClock().now_ms()


async def test_rooms_have_those_who_type_in_the_order_in_which_they_began(house: House) -> None:
    await house.put(types(BOB), types(ALICE), types(ALICE, room_id=OTHER))
    await house.put(types(BOB, 0), types(ALICE, 0))

    assert await house.outputs() == [
        (ROOM, [BOB]),
        (ROOM, [BOB, ALICE]),
        (OTHER, [ALICE]),
        (ROOM, [ALICE]),
        (ROOM, []),
    ]


async def test_what_changes_nothing_is_not_announced(house: House) -> None:
    await house.put(types(BOB, 0), types(ALICE), types(ALICE, 60_000))
    await house.put(types(ALICE), types(BOB, 0), TypingExpired(ROOM, BOB, NOW_MS * 2))

    assert await house.outputs() == [(ROOM, [ALICE])]


async def test_typing_ends_by_itself(tmp_path: Path, database_url: str) -> None:
    async with running_house(tmp_path, database_url, Options(clock=SystemClock())) as house:
        await house.put(types(ALICE, 100), types(BOB, 60_000))

        assert await house.announced(3) == [(ROOM, [ALICE]), (ROOM, [ALICE, BOB]), (ROOM, [BOB])]


async def test_an_expiry_ends_only_what_was_not_renewed(house: House) -> None:
    await house.put(types(ALICE, 10_000), types(BOB, 10_000), types(ALICE, 20_000))
    await house.put(*(TypingExpired(ROOM, one, NOW_MS + 10_000) for one in (ALICE, BOB)))

    assert await house.outputs() == [(ROOM, [ALICE]), (ROOM, [ALICE, BOB]), (ROOM, [ALICE])]


async def test_a_renewal_can_shorten(house: House) -> None:
    await house.put(types(ALICE, 20_000), types(ALICE, 5_000))
    await house.put(TypingExpired(ROOM, ALICE, NOW_MS + 5_000))

    assert await house.outputs() == [(ROOM, [ALICE]), (ROOM, [])]


async def test_nobody_types_longer_than_the_setting_allows(
    tmp_path: Path, database_url: str
) -> None:
    options = Options(settings=EduServerSettings(max_typing_s=2))
    async with running_house(tmp_path, database_url, options) as house:
        await house.put(types(ALICE, 2**53), TypingExpired(ROOM, ALICE, NOW_MS + 1_999))
        await house.put(types(BOB), TypingExpired(ROOM, ALICE, NOW_MS + 2_000))

        assert await house.outputs() == [(ROOM, [ALICE]), (ROOM, [ALICE, BOB]), (ROOM, [BOB])]


async def test_typing_goes_on_over_a_restart(tmp_path: Path, database_url: str) -> None:
    async with running_house(tmp_path, database_url) as house:
        await house.put(types(ALICE), types(BOB))
        await house.outputs()
    async with running_house(tmp_path, database_url) as house:
        await house.put(types(ALICE), types(BOB, 0))

        outputs = await house.outputs()

    assert outputs == [(ROOM, [ALICE]), (ROOM, [ALICE, BOB]), (ROOM, [ALICE])]


async def test_typing_that_ran_out_while_the_server_was_down_ends_at_its_start(
    tmp_path: Path, database_url: str
) -> None:
    clock = ManualClock()
    async with running_house(tmp_path, database_url, Options(clock=clock)) as house:
        await house.put(types(ALICE), types(BOB, room_id=OTHER))
        await house.outputs()
    clock.advance_ms(31_000)
    async with running_house(tmp_path, database_url, Options(clock=clock)) as house:
        outputs = await house.announced(4)
        stored = await house.database.read(lambda connection: select_typing(connection, 0))

    assert sorted(outputs[2:]) == [(OTHER, []), (ROOM, [])]
    assert stored == {}


async def test_a_clock_that_is_put_back_lets_nobody_type_for_long(
    tmp_path: Path, database_url: str
) -> None:
    clock = ManualClock()
    async with running_house(tmp_path, database_url, Options(clock=clock)) as house:
        await house.put(types(ALICE))
        await house.outputs()
    clock.advance_ms(-3600_000)
    async with running_house(tmp_path, database_url, Options(clock=clock)) as house:
        assert await house.announced(2) == [(ROOM, [ALICE]), (ROOM, [])]


async def test_an_expiry_is_written_once_for_each_user(tmp_path: Path, database_url: str) -> None:
    users = [f"@user{number}:xylem.test" for number in range(30)]
    async with running_house(tmp_path, database_url, Options(clock=SystemClock())) as house:
        await house.put(*(types(user_id, 50) for user_id in users))
        await house.announced(60)

        expiries = await house.expiries()

    assert sorted(one.user_id for one in expiries) == sorted(users)


async def test_typing_ends_once_the_log_is_back(tmp_path: Path, database_url: str) -> None:
    async with running_house(tmp_path, database_url, Options(clock=SystemClock())) as house:
        await house.put(types(ALICE, 100))
        await house.announced(1)
        house.servers_log.is_away = True
        house.servers_log.was_asked.clear()
        await house.servers_log.was_asked.wait()
        house.servers_log.is_away = False

        assert await house.announced(2) == [(ROOM, [ALICE]), (ROOM, [])]


async def test_an_expiry_that_is_written_twice_is_announced_once(
    tmp_path: Path, database_url: str
) -> None:
    async with running_house(tmp_path, database_url, Options(clock=SystemClock())) as house:
        await house.put(types(ALICE, 1_000))
        await house.announced(1)
        house.servers_log.forgets_to_answer = 1
        await house.announced(2)

        assert await house.outputs() == [(ROOM, [ALICE]), (ROOM, [])]


async def test_a_room_shows_no_more_typing_users_than_the_setting_allows(
    tmp_path: Path, database_url: str
) -> None:
    settings = EduServerSettings(max_typing_per_room=3, max_typing=5)
    rooms = [f"!room{number}:xylem.test" for number in range(3)]
    async with running_house(tmp_path, database_url, Options(settings=settings)) as house:
        for room_id, user in itertools.product(rooms, "abcd"):
            await house.put(types(f"@{user}:xylem.test", room_id=room_id))
        # Room for one more comes where one ends.
        await house.put(types("@a:xylem.test", 0, room_id=rooms[0]), types(ALICE, room_id=rooms[2]))

        outputs = await house.outputs()

    assert [(room_id, len(users)) for room_id, users in outputs] == [
        (rooms[0], 1),
        (rooms[0], 2),
        (rooms[0], 3),
        (rooms[1], 1),
        (rooms[1], 2),
        (rooms[0], 2),
        (rooms[2], 1),
    ]


async def test_what_is_no_typing_is_set_aside(house: House) -> None:
    await house.put(types(ALICE), b"\x80", types(BOB, -1), types(BOB))

    assert await house.outputs() == [(ROOM, [ALICE]), (ROOM, [ALICE, BOB])]
    assert [one.offset for one in await house.rejected(2)][:2] == [1, 2]
