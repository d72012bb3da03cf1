"""The stream of messages to devices."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson
from cachetools import LRUCache

from base.database import Connection
from base.metrics import Family, Reading
from components.syncapi.store.to_device import (
    Queued,
    QueuedMessage,
    RemovedDevices,
    SentRequest,
    TargetDevice,
    delete_arrived,
    delete_over,
    insert_messages,
    insert_requests,
    select_known_requests,
    select_queued,
)
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.device_queues import DeviceQueues
from components.syncapi.streams.events import render_events
from components.syncapi.streams.history import HistorySource, Stage
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.stream import ProjectedStream, StreamContext, WantedRows
from components.syncapi.streams.to_device_history import to_device_stages
from components.syncapi.timeline.paging import FROM_THE_START
from logs.consumer import Message
from logs.following.projected_topic import FollowedRecords, Reject
from logs.records.to_device import SendToDevice
from logs.topics import SEND_TO_DEVICE

DROPPED: Final = Family(
    "xylem_syncapi_dropped_to_device_messages_total",
    "counter",
    "Messages to devices that were dropped because too many waited for one device.",
)
FAMILIES: Final = (DROPPED,)

_REMEMBERED_MS: Final = 24 * 3600 * 1000
"""How long repeats of a request are known."""
_COUNTED_DEVICES: Final = 10_000


class ToDeviceNews(NamedTuple):
    """What memory learns of records of SendToDevice."""

    sent: Sequence[tuple[int, TargetDevice]]
    """Who was sent something, with its order; perhaps more than are in the tables."""
    dropped: int = 0


class ToDeviceStream(ProjectedStream[SendToDevice, ToDeviceNews]):
    """Gives each device what it was sent, until its next token says that it has arrived."""

    name = "messages to devices"
    number = 5
    topic = SEND_TO_DEVICE
    is_carried = True

    def __init__(self, context: StreamContext) -> None:
        super().__init__(context)
        self._database: Final = context.database
        settings = context.settings
        self._most_given: Final = settings.to_device_messages
        self._most_queued: Final = settings.queued_to_device_messages
        floors = list(self.progress.next_offsets)
        self._queues: Final = DeviceQueues(floors, settings.remembered_devices)
        self._uncounted: Final[LRUCache[TargetDevice, int]] = LRUCache(_COUNTED_DEVICES)
        """How many messages were added to queues since they were counted."""
        self._dropped = 0

    @classmethod
    def stages(cls, source: HistorySource) -> list[Stage]:
        """Return what it is rebuilt from."""
        return to_device_stages(source)

    def write(
        self,
        connection: Connection,
        messages: Sequence[Message[SendToDevice]],
        reject: Reject[SendToDevice],
    ) -> ToDeviceNews:
        """Write what is for local devices, once per request."""
        del reject  # there is nothing to refuse
        local = [one for one in messages if any(_devices_of(one.value))]
        if not local:
            return ToDeviceNews(())
        new = _without_repeats(connection, local)
        removed = RemovedDevices(connection, {one.value.user_id for one in new})
        queued = [
            message
            for one in new
            for message in _queued(one.value, one.position.offset)
            if not removed.has(TargetDevice(*message[:3]))
        ]
        insert_messages(connection, queued)
        dropped = self._drop_over(connection, queued)
        return ToDeviceNews([(one.stream_order, TargetDevice(*one[:3])) for one in queued], dropped)

    def _drop_over(self, connection: Connection, queued: Sequence[QueuedMessage]) -> int:
        """Drop the oldest messages of queues that are too long, and return how many they were.

        To count a queue costs as much as it is long: it may become longer by a tenth before.
        """
        dropped = 0
        for message in queued:
            device = TargetDevice(*message[:3])
            added = self._uncounted.get(device)
            if added is not None and added < self._most_queued // 10:
                self._uncounted[device] = added + 1
                continue
            dropped += delete_over(connection, device, self._most_queued)
            self._uncounted[device] = 0
        return dropped

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[SendToDevice]]
    ) -> Mapping[int, ToDeviceNews]:
        """Return who may have been sent something: who was not finds nothing."""
        del connection
        return {
            partition: ToDeviceNews(
                [(order, device) for order, value in one.records for device in _devices_of(value)]
            )
            for partition, one in followed.items()
        }

    def learn(self, partition: int, news: ToDeviceNews) -> None:
        """Wake the devices that were sent something."""
        known = self.progress.at(partition)
        woken: list[tuple[str, str]] = []
        for order, device in news.sent:
            if order >= known:
                self._queues.note_sent(partition, device, order)
                woken.append(device[:2])
        self._dropped += news.dropped
        self._projected.polls.wake_devices(woken)

    async def look(self, request: SyncRequest, answer: SyncAnswer) -> WantedRows[Any] | None:
        """Ask for what waits, where something may."""
        device = TargetDevice(request.user_id, request.reader.device_id, request.device_number)
        partition = self._partition_of(request.user_id)
        if self._queues.is_empty(partition, device):
            return None
        since = request.since if request.since is not None else request.former
        from_order = FROM_THE_START if since is None else since[self.slot][partition]
        upto = request.upto[self.slot][partition]
        return WantedRows(
            partial(
                select_queued,
                device=device,
                from_order=from_order,
                to_order=upto,
                most=self._most_given + 1,
            ),
            partial(self._tell, answer, _Looked(device, partition, from_order, request)),
        )

    async def _tell(self, answer: SyncAnswer, looked: "_Looked", found: Queued) -> None:
        device, upto = looked.device, looked.request.upto[self.slot]
        if found.has_arrived:
            delete = partial(delete_arrived, device=device, from_order=looked.from_order)
            await self._database.write(delete)
        messages = found.messages
        if not messages:
            self._queues.note_empty(device, upto[looked.partition])
            return
        most = max(self._most_given, sum(order < 0 for order, _ in messages))
        if len(messages) > most:
            messages = messages[:most]
            next_order = max(messages[-1][0] + 1, 0)
            partition = looked.partition
            answer.told_up_to[self.slot] = (*upto[:partition], next_order, *upto[partition + 1 :])
        answer.sections["to_device"] = render_events([event for _, event in messages])

    def readings(self) -> Iterator[Reading]:
        """Give what was counted, for metrics."""
        yield Reading(DROPPED, (), self._dropped)


class _Looked(NamedTuple):
    device: TargetDevice
    partition: int
    from_order: int
    request: SyncRequest


def _devices_of(record: SendToDevice) -> Iterator[TargetDevice]:
    """Give the local devices that it is for; of remote ones it says no number."""
    for one in record.messages:
        if one.number is not None:
            yield TargetDevice(record.user_id, one.device_id, one.number)


def _queued(record: SendToDevice, order: int) -> Iterator[QueuedMessage]:
    head = b'{"type":%b,"sender":%b,"content":' % (
        orjson.dumps(record.type),
        orjson.dumps(record.sender),
    )
    for one in record.messages:
        if one.number is not None:
            event = b"%b%b}" % (head, one.content)
            yield QueuedMessage(record.user_id, one.device_id, one.number, order, event)


def _without_repeats(
    connection: Connection, messages: Sequence[Message[SendToDevice]]
) -> list[Message[SendToDevice]]:
    """Return the messages whose requests are not known yet, and remember these."""
    hashed = [(_request_hash(one.value), one) for one in messages]
    orders = select_known_requests(connection, {request for request, _ in hashed})
    requests: list[SentRequest] = []
    new: list[Message[SendToDevice]] = []
    for request, one in hashed:
        order = one.position.offset
        if orders.setdefault(request, order) == order:
            new.append(one)
            requests.append(SentRequest(request, order, one.timestamp_ms))
    newest_ms = max(one.timestamp_ms for one in messages)
    insert_requests(connection, requests, newest_ms - _REMEMBERED_MS)
    return new


def _request_hash(record: SendToDevice) -> bytes:
    request = (
        record.user_id,
        record.sender,
        record.device_id,
        record.device_number,
        record.type,
        record.transaction_id,
    )
    return blake2b(orjson.dumps(request), digest_size=16).digest()
