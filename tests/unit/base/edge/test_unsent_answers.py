"""Clients that do not take their answers: each has a time limit, and all of them a size limit."""

import asyncio
import contextlib
from collections.abc import Callable

from base.http import Request, Response, UnsentAnswers, serve
from tests.unit.base.edge.sockets import LAST, all_of, connected, listener

LARGE = 20_000_000


async def large(_request: Request) -> Response:
    return Response(b"x" * LARGE)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (the server's memory announces nothing)
        await asyncio.sleep(0.001)


async def test_a_client_that_takes_nothing_of_its_answer_is_cut_off() -> None:
    unsent = UnsentAnswers()

    async with (
        serve([listener(large, answer_timeout_s=0.2)], unsent=unsent) as server,
        connected(server.ports[0]) as (reader, writer),
    ):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(LAST)
        await until(lambda: unsent.bytes_held >= LARGE)
        await until(lambda: unsent.bytes_held == 0)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        answer = await all_of(reader)

    assert len(answer) < LARGE


async def test_a_client_that_takes_its_answer_late_gets_all_of_it() -> None:
    unsent = UnsentAnswers()

    async with (
        serve([listener(large)], unsent=unsent) as server,
        connected(server.ports[0]) as (reader, writer),
    ):
        writer.write(LAST)
        await until(lambda: unsent.bytes_held >= LARGE)
        answer = await all_of(reader)

    assert len(answer.partition(b"\r\n\r\n")[2]) == LARGE
    assert unsent.bytes_held == 0


async def test_when_answers_hold_too_much_the_first_of_the_largest_is_cut_off() -> None:
    unsent = UnsentAnswers(3 * LARGE)

    async with (
        serve([listener(large)], unsent=unsent) as server,
        contextlib.AsyncExitStack() as all_open,
    ):
        readers = []
        for number in range(3):
            reader, writer = await all_open.enter_async_context(connected(server.ports[0]))
            writer.write(LAST)
            held = min(number + 1, 2) * LARGE
            await until(lambda held=held: unsent.bytes_held >= held)  # type: ignore[misc]
            readers.append(reader)
        sizes = [len(await all_of(reader)) for reader in readers]

    assert [size > LARGE for size in sizes] == [False, True, True]
