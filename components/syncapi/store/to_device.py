"""Messages to devices that have not arrived yet, in the order in which each device gets them.

A device that is logged in again after it was removed is another one, though its ID may be the same:
its number tells it from those before.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement, insert_new_into, paced, upsert_into
from components.syncapi.store.tables import METADATA

MESSAGES: Final = sa.Table(
    "to_device_messages",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("device_number", sa.BigInteger, primary_key=True),
    # The offset in the partition of SendToDevice; a record has one message for a device.
    sa.Column("stream_order", sa.BigInteger, primary_key=True),
    # As clients get it.
    sa.Column("event", sa.LargeBinary, nullable=False),
)

REQUESTS: Final = sa.Table(
    "to_device_requests",
    METADATA,
    # Of the request and the user to whose devices it sends.
    sa.Column("request_hash", sa.LargeBinary, primary_key=True),
    sa.Column("stream_order", sa.BigInteger, nullable=False),
    sa.Column("sent_ms", sa.BigInteger, nullable=False),
    sa.Index("to_device_requests_by_time", "sent_ms"),
)

REMOVED_DEVICES: Final = sa.Table(
    "removed_devices",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    # Empty for all devices.
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("removed_up_to", sa.BigInteger, nullable=False),
    sa.Column("removed_ms", sa.BigInteger, nullable=False),
    sa.Index("removed_devices_by_time", "removed_ms"),
)

REMEMBERED_REMOVAL_MS: Final = 24 * 3600 * 1000

_M: Final = MESSAGES.c
_ALL_DEVICES: Final = ""
_ALL: Final = 2**31 - 1
_HAS_DEVICE_ID: Final = sa.and_(
    _M.user_id == sa.bindparam("user_id"), _M.device_id == sa.bindparam("device_id")
)
_IS_QUEUE: Final = sa.and_(_HAS_DEVICE_ID, _M.device_number == sa.bindparam("number"))
# What is before a place in the queue, and all that was for devices before this one.
_BEFORE: Final = sa.and_(
    _HAS_DEVICE_ID,
    sa.tuple_(_M.device_number, _M.stream_order)
    < sa.tuple_(
        sa.bindparam("number", type_=sa.BigInteger), sa.bindparam("from_order", type_=sa.BigInteger)
    ),
)
_INSERT: Final = insert_new_into(MESSAGES)
_QUEUED: Final = Statement(
    sa.select(_M.stream_order, _M.event)
    .where(
        _IS_QUEUE,
        _M.stream_order >= sa.bindparam("from_order"),
        _M.stream_order < sa.bindparam("to_order"),
    )
    .order_by(_M.stream_order)
    .limit(sa.bindparam("most"))
)
_ARRIVED: Final = Statement(sa.select(_M.stream_order).where(_BEFORE).limit(1))
_DELETE_ARRIVED: Final = Statement(sa.delete(MESSAGES).where(_BEFORE))
_DELETE_OVER: Final = Statement(
    sa.delete(MESSAGES).where(
        _IS_QUEUE,
        _M.stream_order
        <= sa.select(_M.stream_order)
        .where(_IS_QUEUE)
        .order_by(_M.stream_order.desc())
        .offset(sa.bindparam("most"))
        .limit(1)
        .scalar_subquery(),
    )
)
_DELETE_OF_DEVICE: Final = Statement(
    sa.delete(MESSAGES).where(_HAS_DEVICE_ID, _M.device_number <= sa.bindparam("number"))
)
_DELETE_OF_USER: Final = Statement(
    sa.delete(MESSAGES).where(
        _M.user_id == sa.bindparam("user_id"), _M.device_number <= sa.bindparam("number")
    )
)
_INSERT_REQUEST: Final = insert_new_into(REQUESTS)
_KNOWN: Final = SelectByKeys(
    sa.select(REQUESTS.c.request_hash, REQUESTS.c.stream_order), REQUESTS.c.request_hash
)
_FORGET_REQUESTS: Final = Statement(
    sa.delete(REQUESTS).where(REQUESTS.c.sent_ms < sa.bindparam("before_ms"))
)
_INSERT_REMOVED: Final = upsert_into(REMOVED_DEVICES, "removed_up_to", "removed_ms")
_REMOVED: Final = SelectByKeys(
    sa.select(
        REMOVED_DEVICES.c.user_id, REMOVED_DEVICES.c.device_id, REMOVED_DEVICES.c.removed_up_to
    ),
    REMOVED_DEVICES.c.user_id,
)
_FORGET_REMOVED: Final = Statement(
    sa.delete(REMOVED_DEVICES).where(REMOVED_DEVICES.c.removed_ms < sa.bindparam("before_ms"))
)
_MESSAGES_AFTER: Final = (
    sa.select(*_M)
    .where(
        sa.tuple_(_M.user_id, _M.device_id, _M.device_number, _M.stream_order)
        > sa.tuple_(
            sa.bindparam("user_id"),
            sa.bindparam("device_id"),
            sa.bindparam("number", type_=sa.BigInteger),
            sa.bindparam("order", type_=sa.BigInteger),
        )
    )
    .order_by(_M.user_id, _M.device_id, _M.device_number, _M.stream_order)
    .limit(sa.bindparam("most"))
)
_REQUESTS_AFTER: Final = (
    sa.select(*REQUESTS.c)
    .where(REQUESTS.c.request_hash > sa.bindparam("after"))
    .order_by(REQUESTS.c.request_hash)
    .limit(sa.bindparam("most"))
)


class TargetDevice(NamedTuple):
    """One of the devices that have had an ID."""

    user_id: str
    device_id: str
    number: int


class QueuedMessage(NamedTuple):
    """A message that waits for its device."""

    user_id: str
    device_id: str
    device_number: int
    stream_order: int
    event: bytes


class SentRequest(NamedTuple):
    """A request to send to the devices of a user, remembered so that its repeats are known."""

    request_hash: bytes
    stream_order: int
    sent_ms: int


class Queued(NamedTuple):
    """What waits for a device."""

    messages: Sequence[tuple[int, bytes]]
    """Events with their orders."""
    has_arrived: bool
    """Whether there are messages that the device has got, or that were for devices before it."""


def insert_messages(connection: Connection, messages: Sequence[QueuedMessage]) -> None:
    """Let messages wait; those that do are left alone."""
    _INSERT.run_many(connection, [one._asdict() for one in messages])


def select_queued(
    connection: Connection, device: TargetDevice, from_order: int, to_order: int, most: int
) -> Queued:
    """Return the first messages of a range, the oldest first.

    Those before all offsets of the log come together, however many: no token tells their places.
    """
    values = {**device._asdict(), "from_order": from_order}
    has_arrived = bool(_ARRIVED.rows(connection, values))
    found: list[tuple[int, bytes]] = []
    if from_order < 0:
        found += _rows(connection, values, 0, _ALL)
    # One of the others says that there are more.
    values["from_order"] = max(from_order, 0)
    found += _rows(connection, values, to_order, max(most - len(found), 1))
    return Queued(found, has_arrived)


def delete_arrived(connection: Connection, device: TargetDevice, from_order: int) -> None:
    """Delete what a device has got, and what was for those that had its ID before."""
    _DELETE_ARRIVED.run(connection, {**device._asdict(), "from_order": from_order})


def delete_over(connection: Connection, device: TargetDevice, most: int) -> int:
    """Keep the newest messages to a device, so many; return how many others there were."""
    return _DELETE_OVER.run(connection, {**device._asdict(), "most": most}).rowcount


def select_known_requests(connection: Connection, hashes: Collection[bytes]) -> dict[bytes, int]:
    """Return those of the requests that were projected before, with their orders."""
    return {bytes(one): order for one, order in _KNOWN.rows(connection, hashes)}


def insert_requests(
    connection: Connection, requests: Sequence[SentRequest], before_ms: int
) -> None:
    """Remember requests, and forget those that were sent before this time."""
    _FORGET_REQUESTS.run(connection, {"before_ms": before_ms})
    _INSERT_REQUEST.run_many(connection, [one._asdict() for one in requests])


def delete_of_removed(
    connection: Connection, user_id: str, device_id: str | None, removed_up_to: int, now_ms: int
) -> None:
    """Delete the messages to a removed device, or all of a user, with numbers up to this one.

    A message that was sent before is perhaps projected after it: for a while it is known that
    there is nobody to give it to.
    """
    values = {"user_id": user_id, "device_id": device_id or _ALL_DEVICES, "number": removed_up_to}
    delete = _DELETE_OF_USER if device_id is None else _DELETE_OF_DEVICE
    delete.run(connection, values)
    _FORGET_REMOVED.run(connection, {"before_ms": now_ms - REMEMBERED_REMOVAL_MS})
    removed = {
        "user_id": user_id,
        "device_id": device_id or _ALL_DEVICES,
        "removed_up_to": removed_up_to,
        "removed_ms": now_ms,
    }
    _INSERT_REMOVED.run(connection, removed)


class RemovedDevices:
    """Which devices of some users were removed lately."""

    def __init__(self, connection: Connection, user_ids: Collection[str]) -> None:
        self._up_to: Final[Mapping[tuple[str, str], int]] = {
            (user_id, device_id): up_to
            for user_id, device_id, up_to in _REMOVED.rows(connection, user_ids)
        }

    def has(self, device: TargetDevice) -> bool:
        """Whether the device is among them."""
        if not self._up_to:
            return False
        user_id, device_id, number = device
        return any(
            number <= self._up_to.get((user_id, one), -1) for one in (device_id, _ALL_DEVICES)
        )


def select_messages_after(
    connection: Connection, place: Sequence[str], most: int
) -> list[QueuedMessage]:
    """Return messages after a place, which is the first fields of one; all are after none."""
    user_id, device_id, number, order = place or ("", "", "0", "0")
    values = {
        "user_id": user_id,
        "device_id": device_id,
        "number": int(number),
        "order": int(order),
        "most": most,
    }
    rows = connection.execute(_MESSAGES_AFTER, values)
    return [QueuedMessage(*row) for row in paced(connection, rows)]


def select_requests_after(connection: Connection, after: bytes, most: int) -> list[SentRequest]:
    """Return requests after this one, in the order of their hashes."""
    rows = connection.execute(_REQUESTS_AFTER, {"after": after, "most": most})
    return [SentRequest(*row) for row in paced(connection, rows)]


def _rows(
    connection: Connection, values: Mapping[str, str | int], to_order: int, most: int
) -> list[tuple[int, bytes]]:
    rows = _QUEUED.rows(connection, {**values, "to_order": to_order, "most": most})
    return [(order, bytes(event)) for order, event in paced(connection, rows)]
