"""Receipts and fully-read markers: the newest ones in memory, and all as clients see them."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from components.syncapi.receipt import Receipt

_NEVER: Final = -1


class RoomReceipts:
    """The receipts of one room that moved last, the newest at the end."""

    __slots__ = ("last_order", "receipts", "room_id", "shared")

    def __init__(self, room_id: str) -> None:
        self.room_id: Final = room_id
        self.receipts: Final[OrderedDict[tuple[str, str, str], Receipt]] = OrderedDict()
        self.last_order = _NEVER
        self.shared: tuple[int, int, list[bytes]] | None = None
        """What all get who need the same public receipts: first and last order, and events."""

    def since(self, order: int) -> list[Receipt]:
        """Return what moved at or after this order, oldest first."""
        found: list[Receipt] = []
        for receipt in reversed(self.receipts.values()):
            if receipt.stream_order < order:
                break
            found.append(receipt)
        found.reverse()
        return found


class RecentReceipts:
    """The receipts that moved last, per partition, back to a floor."""

    def __init__(self, floors: list[int], most: int) -> None:
        self._floors: Final = floors
        self._most: Final = most
        self._rooms: Final[list[OrderedDict[str, RoomReceipts]]] = [OrderedDict() for _ in floors]
        self._arrivals: Final[deque[tuple[int, Receipt]]] = deque()

    def reaches(self, since: tuple[int, ...]) -> bool:
        """Whether everything from this position on is in memory."""
        return all(floor <= order for floor, order in zip(self._floors, since, strict=True))

    def changed_since(self, since: tuple[int, ...]) -> Iterator[tuple[RoomReceipts, int]]:
        """Give the rooms with receipts at or after this position, and their part of it."""
        for rooms, order in zip(self._rooms, since, strict=True):
            for room in reversed(rooms.values()):
                if room.last_order < order:
                    break
                yield room, order

    def add(self, partition: int, receipt: Receipt) -> None:
        """Note where a receipt stands now."""
        rooms = self._rooms[partition]
        room = rooms.get(receipt.room_id)
        if room is None:
            room = rooms[receipt.room_id] = RoomReceipts(receipt.room_id)
        else:
            rooms.move_to_end(receipt.room_id)
        room.last_order = receipt.stream_order
        key = _key(receipt)
        room.receipts[key] = receipt
        room.receipts.move_to_end(key)
        self._arrivals.append((partition, receipt))
        while len(self._arrivals) > self._most:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        partition, receipt = self._arrivals.popleft()
        self._floors[partition] = receipt.stream_order + 1
        room = self._rooms[partition][receipt.room_id]
        if room.receipts.get(_key(receipt)) is receipt:
            del room.receipts[_key(receipt)]
            if not room.receipts:
                del self._rooms[partition][receipt.room_id]


def _key(receipt: Receipt) -> tuple[str, str, str]:
    return receipt.user_id, receipt.receipt_type, receipt.thread_id


def _at(receipt: Receipt) -> tuple[str, str, str]:
    return receipt.event_id, receipt.receipt_type, receipt.user_id


def render_receipts(receipts: Sequence[Receipt]) -> list[bytes]:
    """Return receipts of one room as `m.receipt` events.

    It takes several where a user's receipts of several threads stand at the same event. One that
    is not about a thread counts for all of them and is told alone: of two for the same event
    clients keep one, and it must not be the lesser (MSC4102).
    """
    whole = {_at(one) for one in receipts if not one.thread_id}
    contents: list[dict[str, dict[str, dict[str, Any]]]] = []
    for receipt in receipts:
        value: dict[str, Any] = {"ts": receipt.ts}
        if receipt.thread_id:
            if _at(receipt) in whole:
                continue
            value["thread_id"] = receipt.thread_id
        for content in contents:
            users = content.setdefault(receipt.event_id, {}).setdefault(receipt.receipt_type, {})
            if receipt.user_id not in users:
                users[receipt.user_id] = value
                break
        else:
            contents.append({receipt.event_id: {receipt.receipt_type: {receipt.user_id: value}}})
    return [b'{"type":"m.receipt","content":%b}' % orjson.dumps(content) for content in contents]
