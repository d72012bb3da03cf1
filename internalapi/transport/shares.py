"""Which replica of a component has which share of its work in memory: it is asked first."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final


class Shares:
    """Who has which share, as the replicas say with each of their answers.

    Calls name their share by one parameter. Any replica can answer any call: one that does not
    have the share only needs longer.
    """

    def __init__(self, parameter: str, share_of: Callable[[Any], int]) -> None:
        """Take the parameter, and what tells the share of its value."""
        self._parameter: Final = parameter
        self._share_of = share_of
        self._holders: dict[int, int] = {}

    def holder(self, arguments: Mapping[str, Any]) -> int | None:
        """Return the replica to be asked; `None` where none is known or it does not matter."""
        value = arguments.get(self._parameter)
        return None if value is None else self._holders.get(self._share_of(value))

    def note(self, replica: int, told: str | None) -> None:
        """Take what a replica says that it has; `None` if it says nothing."""
        if told is None:
            return
        holders = self._holders
        held = {int(one) for one in told.split(",") if one.isdecimal()}
        for share in [one for one, holder in holders.items() if holder == replica]:
            if share not in held:
                del holders[share]
        for share in held:
            holders[share] = replica


def tell(shares: Iterable[int]) -> str:
    """Return how a replica says what it has."""
    return ",".join(map(str, shares))
