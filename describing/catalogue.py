"""All components of a server together: who serves what, who asks whom, who starts after whom."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

from describing.component import Component, InternalApi
from describing.tables import KeptHistory, Tables


class CatalogueWrong(ValueError):
    """The components do not fit together: the message says why."""


class Catalogue:
    """The components of a server, in the order in which people read of them."""

    def __init__(self, components: Sequence[Component]) -> None:
        """Take the components. Raises `CatalogueWrong` where they do not fit together."""
        self.components: Final = tuple(components)
        self.names: Final = tuple(one.name for one in components)
        self._servers: Final[dict[Any, tuple[Component, InternalApi]]] = {}
        if len({one.number for one in components}) < len({*self.names}):
            raise CatalogueWrong("Two components have the same number.")
        if len({*self.names}) < len(components):
            raise CatalogueWrong("Two components have the same name.")
        for component in components:
            for api in component.serves:
                if api.protocol in self._servers:
                    raise CatalogueWrong(f"{_name(api.protocol)} is served by two components.")
                self._servers[api.protocol] = component, api
        self._start_order: Final = self._ordered()

    def __iter__(self) -> Iterator[Component]:
        return iter(self.components)

    def named(self, name: str) -> Component:
        """Return the component of a name, which there has to be."""
        return self.components[self.names.index(name)]

    def server_of(self, protocol: Callable[..., Any]) -> tuple[Component, InternalApi]:
        """Return who serves an internal API. Raises `CatalogueWrong` where nobody does."""
        found = self._servers.get(protocol)
        if found is None:
            raise CatalogueWrong(f"No component serves {_name(protocol)}.")
        return found

    def keeper_of(self, protocol: Callable[..., Any]) -> tuple[Component, Tables, KeptHistory]:
        """Return who keeps a history. Raises `CatalogueWrong` where nobody does."""
        for component in self.components:
            tables = component.tables
            if tables is None:
                continue
            for history in tables.histories:
                if history.protocol is protocol:
                    return component, tables, history
        raise CatalogueWrong(f"No component keeps {_name(protocol)}.")

    def asked_at_start(self, names: Collection[str]) -> set[str]:
        """Return the others without which these components are not started."""
        protocols = (one for name in names for one in self.named(name).asks_at_start)
        return {self.server_of(one)[0].name for one in protocols} - {*names}

    def asked_elsewhere(self, names: Collection[str]) -> set[str]:
        """Return the others that these components ask, whenever they do."""
        return {asked for name in names for asked in self.asked_by(name)} - {*names}

    def asked_by(self, name: str) -> set[str]:
        """Return the components that this one asks, whenever it does."""
        return {self.server_of(one)[0].name for one in self.named(name).asks}

    def in_start_order(self, names: Collection[str]) -> list[Component]:
        """Return these components, each after those that it asks at its start.

        Where it can be, one comes also after those that it asks later: then it holds their objects.
        """
        return [one for one in self._start_order if one.name in names]

    def _ordered(self) -> tuple[Component, ...]:
        waiting, done = list(self.components), list[Component]()
        while waiting:
            built = {one.name for one in done}
            ready = [one for one in waiting if self.asked_at_start([one.name]) <= built]
            if not ready:
                circle = ", ".join(one.name for one in waiting)
                raise CatalogueWrong(f"These ask each other at their start: {circle}.")
            best = next((one for one in ready if self.asked_by(one.name) <= built), ready[0])
            done.append(best)
            waiting.remove(best)
        return tuple(done)


def _name(protocol: Callable[..., Any]) -> str:
    return getattr(protocol, "__name__", str(protocol))
