"""How the components of a process are put together, and what of them runs, is served and watched.

A component is imported where it is built: a process holds no code of those that it does not run.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from base.http import Router
from base.tasks import Tasks
from deploy.settings import Settings
from deploy.version import version
from deploy.watching.observing import Observing
from deploy.watching.readiness import OUTAGES
from deploy.wiring.ground import Asking, ComponentGround, ProcessGround
from deploy.wiring.processed import Processed
from describing.catalogue import Catalogue
from describing.component import StandIn
from describing.ground import ServerFacts
from describing.parts import ComponentParts
from internalapi.transport import api_router
from logs.consumer.loop import Consumer
from logs.rebuilding.serving import ServingWatch
from matrix.identifiers import ServerName


class Components:
    """The components of one process."""

    def __init__(
        self,
        parts: Mapping[str, ComponentParts],
        processed: Processed,
        stand_ins: Mapping[str, StandIn],
    ) -> None:
        self.parts = parts
        """By the components' names, in the order in which they were built."""
        self._processed = processed
        self._stand_ins = stand_ins

    def consumers(self) -> list[Consumer[Any]]:
        """Return the consumers of these components, all of them."""
        return [one for part in self.parts.values() for one in part.consumers]

    def client_routers(self) -> dict[str, Router]:
        """Return what clients reach of these components, by their names."""
        routers = {name: part.router for name, part in self.parts.items()}
        return {name: router for name, router in routers.items() if router is not None}

    def operator_routers(self) -> list[Any]:
        """Return what operators call of these, as routers of FastAPI."""
        return [make() for part in self.parts.values() for make in part.operator_routers]

    def internal_routers(self, secret: str) -> list[Router]:
        """Return what other components reach of these."""
        return [
            api_router(one.protocol, one.api, secret=secret, outages=OUTAGES, shares=one.held)
            for part in self.parts.values()
            for one in part.apis
        ]

    def start(self, tasks: Tasks) -> None:
        """Run them; those built last, which stand on the others, are stopped first."""
        for name, run in self._processed.tasks.items():
            tasks.start(name, run())
        for name, stand_in in self._stand_ins.items():
            tasks.start(name, stand_in.run())
        for component, part in self.parts.items():
            for consumer in part.consumers:
                tasks.start(f"{consumer.name} {consumer.topic.name}", consumer.run())
            for name, run in part.tasks.items():
                tasks.start(name, run())
            if part.serving is not None:
                tasks.start(f"{component}, serving copy", part.serving.run())

    def watch(self, observing: Observing) -> None:
        """Show what they count, and ask their consumers whether they are ready."""
        for consumer in self.consumers():
            observing.consumer(consumer)
        observing.sources(self._processed.readings)
        for stand_in in self._stand_ins.values():
            observing.sources(stand_in.readings)
        for part in self.parts.values():
            observing.sources(part.readings)
            for name, check in part.checks.items():
                observing.checks.add(name, check)

    def _serving(self) -> list[ServingWatch]:
        """Return what looks whether tables were made again."""
        return [part.serving for part in self.parts.values() if part.serving is not None]

    async def query_replaced(self) -> bool:
        """Return whether tables that these components answer from were made again."""
        return any([await serving.query_replaced() for serving in self._serving()])

    async def wait_replaced(self) -> None:
        """Return once tables that these components answer from were made again."""
        never = asyncio.Event()
        events = [serving.replaced for serving in self._serving()]
        waiting = [asyncio.create_task(event.wait()) for event in (events or [never])]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def wait_ready(self) -> None:
        """Return once requests can be served."""
        for part in self.parts.values():
            for wait in part.ready:
                await wait()

    def drain(self) -> None:
        """Let those go who wait for something new, and let none wait any more."""
        for part in self.parts.values():
            for end in part.drain:
                end()


@asynccontextmanager
async def built(
    ground: ProcessGround, catalogue: Catalogue, names: Collection[str]
) -> AsyncIterator[Components]:
    """Hold these components together over their databases; nothing runs yet."""
    settings = ground.settings
    # The embedded log is in the process of all who append, and of all who process.
    processed = Processed(ground.log, is_shared=settings.log.kafka is not None)
    asking = Asking(ground, catalogue, [*names], server_facts(settings, catalogue), processed)
    parts: dict[str, ComponentParts] = {}
    async with AsyncExitStack() as stack:
        for component in catalogue.in_start_order(names):
            part = await component.build(ComponentGround(asking, component, component.asks))
            for close in part.close:
                stack.callback(close)
            asking.built(part.apis)
            parts[component.name] = part
        yield Components(parts, processed, asking.stand_ins)


def server_facts(settings: Settings, catalogue: Catalogue) -> ServerFacts:
    """Return what components of every process are told of the server."""
    capabilities: dict[str, Any] = {}
    for component in catalogue:
        capabilities.update(component.capabilities(settings.section(component.settings)))
    return ServerFacts(
        ServerName(settings.server_name),
        settings.default_room_version,
        version(),
        capabilities,
        is_alone=settings.log.kafka is None,
    )
