"""How far topics are written: questions that come at the same time are one question."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

Ends = Mapping[str, Sequence[int]]
"""Per topic the next offset to be written, partition by partition."""


class EndLookups:
    """Asks the brokers once for all who want to know.

    An answer is of use to those who came before the question was sent. Who comes later waits for
    the next question, together with all others who come meanwhile: however many ask, one question
    is under way, and each waits for two at most.
    """

    def __init__(self, ask: Callable[[AbstractSet[str]], Awaitable[Ends]]) -> None:
        self._ask = ask
        self._wanted: set[str] = set()
        self._next: asyncio.Future[Ends] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def ends(self, topics: Iterable[str]) -> Ends:
        """Return the ends of these topics, perhaps of others too. Raises what `ask` does."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        self._wanted.update(topics)
        if self._asking is None:
            self._asking = asyncio.create_task(self._work(), name="kafka-ends")
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Ask no more; those who wait are cancelled."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        if self._next is not None:
            self._next.cancel()

    async def _work(self) -> None:
        try:
            while self._next is not None:
                waited, self._next = self._next, None
                wanted, self._wanted = self._wanted, set()
                try:
                    waited.set_result(await self._ask(wanted))
                except Exception as error:  # noqa: BLE001 — it is raised to those who wait
                    waited.set_exception(error)
                    waited.exception()  # who asked may be gone
                except BaseException:
                    waited.cancel()
                    raise
        finally:
            self._asking = None
