"""Reads OutputClientData: keeps to which devices there are, and lets keys go with them.

An account that has ended has no keys, and no backups of any.
"""

from collections.abc import Sequence

from base.database import Connection
from components.keyserver.deleted_backups import DeletedBackups
from components.keyserver.key_backups import end_backups
from components.keyserver.key_changes import KeyAnnouncements
from components.keyserver.removals import remove_devices
from components.keyserver.store.cross_signing import delete_cross_signing_keys
from components.keyserver.store.devices import (
    UserPlace,
    insert_device,
    lock_devices_of,
    lock_user,
    restart_device,
    update_display_name,
    update_user,
)
from logs.consumer import Message, Outbox
from logs.records.client_data import (
    AccountStatusChanged,
    DeviceChanged,
    OutputClientData,
    TokensRevoked,
)
from logs.records.key_changes import (
    CrossSigningKeysChanged,
    DeviceKeysChanged,
    OutputKeyChange,
)


class ClientDataProcessor:
    """One partition of OutputClientData: the devices of its users."""

    def __init__(self, announcements: KeyAnnouncements, backups: DeletedBackups) -> None:
        self._announcements = announcements
        self._backups = backups
        self._has_told = False
        self._has_ended = False
        """Whether backups went in the batch."""

    def process(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputClientData]],
        outbox: Outbox,  # noqa: ARG002 (what follows has numbers of its own)
    ) -> None:
        """Take in which devices came, were named and went, in the order of the log."""
        records = [message.value for message in messages if is_of_devices(message.value)]
        places = {
            user_id: lock_user(connection, user_id)
            for user_id in sorted({record.user_id for record in records})
        }
        numbers = lock_devices_of(connection, places)
        told: list[OutputKeyChange] = []
        for record in records:
            user_id = record.user_id
            if isinstance(record, DeviceChanged):
                told += _see_device(connection, record, places, numbers)
            elif isinstance(record, TokensRevoked):
                told += _remove_devices(connection, record, places, numbers)
            else:
                end_backups(connection, user_id)
                if delete_cross_signing_keys(connection, user_id):
                    told.append(CrossSigningKeysChanged(user_id, None, None))
        for user_id, place in places.items():
            update_user(connection, user_id, place)
        self._announcements.put_all(connection, told)
        self._has_told = bool(told)
        self._has_ended = any(isinstance(record, AccountStatusChanged) for record in records)

    def committed(self) -> None:
        """Let what follows be announced, and the keys of backups go."""
        if self._has_told:
            self._announcements.note_written()
        if self._has_ended:
            self._backups.note()

    def aborted(self) -> None:
        """Nothing is in memory."""


def is_of_devices(record: OutputClientData) -> bool:
    """Tell whether a record changes what the key server knows of devices."""
    match record:
        case DeviceChanged():
            return True
        case TokensRevoked():
            return record.removed_up_to is not None
        case AccountStatusChanged():
            return record.is_deactivated
        case _:
            return False


def _see_device(
    connection: Connection,
    record: DeviceChanged,
    places: dict[str, UserPlace],
    numbers: dict[tuple[str, str], int],
) -> list[OutputKeyChange]:
    told: list[OutputKeyChange] = []
    user_id, device_id, number = record.user_id, record.device_id, record.number
    place = places[user_id]
    known = numbers.get((user_id, device_id))
    if known is None:
        if number > place.devices_told:
            insert_device(connection, user_id, device_id, number, record.display_name)
            numbers[user_id, device_id] = number
    elif known < number:
        # Its end was told of before this device had its ID.
        if restart_device(connection, user_id, device_id, number, record.display_name):
            told.append(DeviceKeysChanged(user_id, device_id, None))
        numbers[user_id, device_id] = number
    elif known == number:
        update_display_name(connection, user_id, device_id, record.display_name)
    places[user_id] = place._replace(devices_told=max(place.devices_told, number))
    return told


def _remove_devices(
    connection: Connection,
    record: TokensRevoked,
    places: dict[str, UserPlace],
    numbers: dict[tuple[str, str], int],
) -> list[OutputKeyChange]:
    user_id = record.user_id
    number = record.removed_up_to or 0
    gone = [
        (owner, device_id)
        for (owner, device_id), known in numbers.items()
        if owner == user_id and known <= number and record.device_id in (None, device_id)
    ]
    for key in gone:
        del numbers[key]
    place = places[user_id]
    places[user_id] = UserPlace(max(place.devices_told, number), place.removals + 1)
    return remove_devices(connection, user_id, record.device_id, number)
