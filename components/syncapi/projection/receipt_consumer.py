"""What client sync makes of the records of receipts."""

from collections.abc import Mapping, Sequence
from typing import Final

from base.database import Connection
from components.syncapi.memory.projected import Projected
from components.syncapi.receipt import receipt_of
from components.syncapi.store.receipts import upsert_receipts
from components.syncapi.streams.rooms.confirming import NewReceipts, confirm_receipts
from logs.consumer import Message
from logs.following.progress import TopicProgress
from logs.following.projected_topic import FollowedRecords, Reject
from logs.records.receipts import OutputReceipt
from logs.topics import OUTPUT_RECEIPT, Topic


class ReceiptProjection:
    """Writes where receipts are (`logs.following.projected_topic.Projection`)."""

    topic: Final[Topic[OutputReceipt]] = OUTPUT_RECEIPT

    def __init__(self, projected: Projected) -> None:
        self.progress: Final[TopicProgress] = projected.receipts
        self._projected: Final = projected

    def write(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputReceipt]],
        reject: Reject[OutputReceipt],
    ) -> NewReceipts:
        """Write a batch of receipts."""
        del reject  # there is nothing to refuse
        receipts = [receipt_of(message.value, message.position.offset) for message in messages]
        upsert_receipts(connection, receipts)
        return NewReceipts(receipts, messages[-1].position.offset + 1)

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[OutputReceipt]]
    ) -> Mapping[int, NewReceipts]:
        """Return which receipts these records moved."""
        del connection  # the projection takes every receipt as it is
        return confirm_receipts(followed)

    def learn(self, partition: int, news: NewReceipts) -> None:
        """Let memory follow, and wake those who may see the receipts."""
        self._projected.learn_receipts(partition, news.receipts, news.next_offset)
