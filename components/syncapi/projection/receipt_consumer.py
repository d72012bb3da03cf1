"""What client sync does with the records of OutputReceipt."""

from collections.abc import Sequence

from base.database import Connection
from components.syncapi.memory.projected import Projected
from components.syncapi.receipt import Receipt, receipt_of
from components.syncapi.store.receipts import upsert_receipts
from logs.consumer import Message, Outbox
from logs.following.gate import Gate
from logs.records.receipts import OutputReceipt


class ReceiptProjection:
    """Projects one partition of OutputReceipt."""

    def __init__(self, partition: int, projected: Projected, gate: Gate) -> None:
        self._partition = partition
        self._projected = projected
        self._gate = gate
        self._start = 0
        self._next_offset = 0
        self._receipts: list[Receipt] = []
        gate.begin(partition)

    def process(
        self, connection: Connection, messages: Sequence[Message[OutputReceipt]], outbox: Outbox
    ) -> None:
        """Write a batch of receipts."""
        del outbox  # there is nothing to refuse
        self._start = self._gate.start_of(self._partition, messages[0].position.offset)
        self._next_offset = messages[-1].position.offset + 1
        self._receipts = [
            receipt_of(message.value, message.position.offset) for message in messages
        ]
        upsert_receipts(connection, self._receipts)

    def committed(self) -> None:
        """Let memory follow, and wake those who may see the receipts."""
        if self._gate.admits(self._partition, self._start):
            self._projected.learn_receipts(self._partition, self._receipts, self._next_offset)
        self.aborted()

    def aborted(self) -> None:
        """Forget the batch."""
        self._receipts = []
