"""The processes that serve one component: asked in turn, those that failed lately last."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

_FIRST_REST_S: Final = 0.5
_LONGEST_REST_S: Final = 15.0


class Replicas:
    """The base URLs of a component's processes, any of which can answer."""

    def __init__(
        self, base_urls: Sequence[str], *, monotonic_s: Callable[[], float] = monotonic
    ) -> None:
        if not base_urls:
            raise ValueError("a component needs at least one address")
        self.base_urls: Final = tuple(url.rstrip("/") for url in base_urls)
        self._monotonic_s = monotonic_s
        self._turn = 0
        self._rests: dict[int, tuple[float, float]] = {}
        """Of those that failed: until when they are asked last, and how long that was."""

    def order(self, *, is_query: bool = True, preferred: int | None = None) -> list[int]:
        """Return all of them in the order to ask: the next one's turn comes with each call.

        The `preferred` one comes first, unless it has failed lately.

        One that has rested is tried by one query, and rests on until that is answered: the others
        would wait with it if it still fails, and a change could not be made elsewhere then.
        """
        count = len(self.base_urls)
        if count == 1:
            return [0]
        self._turn = (self._turn + 1) % count
        order = [(self._turn + step) % count for step in range(count)]
        if preferred is not None and preferred not in self._rests:
            order.sort(key=self._rests.__contains__)
            order.remove(preferred)
            return [preferred, *order]
        if self._rests:
            first = self._rests.get(order[0])
            now_s = self._monotonic_s()
            if first is not None and is_query and first[0] <= now_s:
                self._rests[order[0]] = (now_s + first[1], first[1])
            else:
                order.sort(key=self._rests.__contains__)
        return order

    def failed(self, index: int) -> None:
        """Ask this one last for a while; longer each time in a row."""
        _, rest_s = self._rests.get(index, (0.0, _FIRST_REST_S / 2))
        rest_s = min(rest_s * 2, _LONGEST_REST_S)
        self._rests[index] = (self._monotonic_s() + rest_s, rest_s)

    def answered(self, index: int) -> None:
        """Ask this one in its turn again."""
        if self._rests:
            self._rests.pop(index, None)
