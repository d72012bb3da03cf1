"""Which devices have nothing to get: most of them, most of the time."""

from collections import OrderedDict
from typing import Final

from cachetools import LRUCache

from components.syncapi.store.to_device import TargetDevice

_NEVER: Final = -(2**62)


class DeviceQueues:
    """Remembers of devices that nothing waited for them, and who was sent something since then."""

    def __init__(self, floors: list[int], most: int) -> None:
        """Take by partition up to where nothing is known, and how many devices are remembered."""
        self._floors: Final = floors
        """Before these, devices that are not remembered may have been sent something."""
        self._most: Final = most
        self._sent: Final[list[OrderedDict[TargetDevice, int]]] = [OrderedDict() for _ in floors]
        self._empty: Final[LRUCache[TargetDevice, int]] = LRUCache(most)

    def note_sent(self, partition: int, device: TargetDevice, order: int) -> None:
        """Note that a message to this device has this order."""
        sent = self._sent[partition]
        sent[device] = order
        sent.move_to_end(device)
        if len(sent) > self._most:
            _, forgotten = sent.popitem(last=False)
            self._floors[partition] = max(self._floors[partition], forgotten + 1)

    def note_empty(self, device: TargetDevice, upto: int) -> None:
        """Note that nothing waits for this device that has an order before this one."""
        self._empty[device] = max(upto, self._empty.get(device, _NEVER))

    def is_empty(self, partition: int, device: TargetDevice) -> bool:
        """Whether it is known that nothing waits for this device."""
        upto = self._empty.get(device)
        if upto is None or upto < self._floors[partition]:
            return False
        return self._sent[partition].get(device, _NEVER) < upto
