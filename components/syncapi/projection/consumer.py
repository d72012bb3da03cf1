"""What client sync does with the records of its two topics."""

from collections.abc import Mapping, Sequence

from base.database import Connection
from components.syncapi.changes import AccountDatum, ClientDataNews, RoomNews
from components.syncapi.memory.projected import Projected
from components.syncapi.store.account_data import delete_account_data, upsert_account_data
from components.syncapi.store.erasures import delete_erasure, insert_erasure
from components.syncapi.streams.rooms.records import project
from components.syncapi.streams.rooms.writing import write_batch
from logs.consumer import Message, Outbox
from logs.following.gate import Gate
from logs.records.client_data import AccountDataChanged, AccountStatusChanged, OutputClientData
from logs.records.room_output import OutputRoomEvent


class RoomEventProcessor:
    """Projects one partition of OutputRoomEvent."""

    def __init__(
        self, partition: int, projected: Projected, gate: Gate, covered: Mapping[str, int]
    ) -> None:
        self._partition = partition
        self._projected = projected
        self._gate = gate
        self._covered = covered
        self._start = 0
        self._written: RoomNews | None = None
        gate.begin(partition)

    def process(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputRoomEvent]],
        outbox: Outbox,
    ) -> None:
        """Write a batch of room records."""
        self._start = self._gate.start_of(self._partition, messages[0].position.offset)
        self._written = write_batch(connection, project(messages, outbox.reject, self._covered))

    def committed(self) -> None:
        """Let memory follow, and wake those who wait for it."""
        if self._written is not None and self._gate.admits(self._partition, self._start):
            self._projected.learn_rooms(self._partition, self._written)
        self._written = None

    def aborted(self) -> None:
        """Forget the batch."""
        self._written = None


class ClientDataProcessor:
    """Projects one partition of OutputClientData."""

    def __init__(self, partition: int, projected: Projected, gate: Gate) -> None:
        self._partition = partition
        self._projected = projected
        self._gate = gate
        self._start = 0
        self._news = ClientDataNews(0)
        gate.begin(partition)

    def process(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputClientData]],
        outbox: Outbox,
    ) -> None:
        """Write a batch of account data and of erasures; other kinds are for other readers."""
        del outbox  # there is nothing to refuse
        self._start = self._gate.start_of(self._partition, messages[0].position.offset)
        self._news = ClientDataNews(messages[-1].position.offset + 1)
        data: list[AccountDatum] = []
        for message in messages:
            offset = message.position.offset
            record = message.value
            self._news.note(record, offset)
            if isinstance(record, AccountDataChanged):
                data.append(
                    AccountDatum(
                        record.user_id, record.room_id or "", record.type, offset, record.content
                    )
                )
            elif isinstance(record, AccountStatusChanged):
                change = insert_erasure if record.is_erased else delete_erasure
                change(connection, record.user_id)
                if record.is_deactivated:
                    gone = record.user_id
                    data = [one for one in data if one.user_id != gone]
                    delete_account_data(connection, gone)
        upsert_account_data(connection, data)

    def committed(self) -> None:
        """Let memory follow, and wake the users whose data changed."""
        if self._gate.admits(self._partition, self._start):
            self._projected.learn_client_data(self._partition, self._news)
        self.aborted()

    def aborted(self) -> None:
        """Forget the batch."""
        self._news = ClientDataNews(0)
