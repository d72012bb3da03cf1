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


async def of_size(request: Request) -> Response:
    return Response(bytes(int(request.query["size"])))


async def test_when_answers_hold_too_much_the_largest_is_cut_off() -> None:
    sizes = [LARGE, 2 * LARGE, LARGE]
    unsent = UnsentAnswers(7 * LARGE // 2)
    answers = []

    async with (
        serve([listener(of_size)], unsent=unsent) as server,
        contextlib.AsyncExitStack() as all_open,
    ):
        for number, size in enumerate(sizes):
            reader, writer = await all_open.enter_async_context(connected(server.ports[0]))
            writer.write(LAST.replace(b"/x", b"/x?size=%d" % size))
            # The last one makes it too much: what is left then is what the first and it hold.
            held = [LARGE, 3 * LARGE, 2 * LARGE][number]
            await until(lambda held=held: held <= unsent.bytes_held < held + LARGE)  # type: ignore[misc]
            answers.append(reader)
        taken = [len(await all_of(reader)) for reader in answers]

    assert [length > size for length, size in zip(taken, sizes, strict=True)] == [True, False, True]
