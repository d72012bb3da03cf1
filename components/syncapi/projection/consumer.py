"""What client sync makes of the records of rooms and of users' data."""

from collections.abc import Mapping, Sequence
from typing import Final

from base.database import Connection
from components.syncapi.changes import AccountDatum, ClientDataNews, RoomNews
from components.syncapi.memory.projected import Projected
from components.syncapi.store.account_data import delete_account_data, upsert_account_data
from components.syncapi.store.erasures import delete_erasure, insert_erasure
from components.syncapi.streams.rooms.confirming import confirm_client_data, confirm_rooms
from components.syncapi.streams.rooms.records import project
from components.syncapi.streams.rooms.writing import write_batch
from logs.consumer import Message
from logs.following.progress import TopicProgress
from logs.following.projected_topic import FollowedRecords, Reject
from logs.records.client_data import AccountDataChanged, AccountStatusChanged, OutputClientData
from logs.records.room_output import OutputRoomEvent
from logs.topics import OUTPUT_CLIENT_DATA, OUTPUT_ROOM_EVENT, Topic


class RoomProjection:
    """Writes rooms and what happens in them (`logs.following.projected_topic.Projection`)."""

    topic: Final[Topic[OutputRoomEvent]] = OUTPUT_ROOM_EVENT

    def __init__(self, projected: Projected, covered: Mapping[str, int]) -> None:
        """Take memory, and by room the offset before which its records are in the tables."""
        self.progress: Final[TopicProgress] = projected.rooms
        self._covered: Final = covered
        self.learn: Final = projected.learn_rooms

    def write(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputRoomEvent]],
        reject: Reject[OutputRoomEvent],
    ) -> RoomNews:
        """Write a batch of room records."""
        return write_batch(connection, project(messages, reject, self._covered))

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[OutputRoomEvent]]
    ) -> Mapping[int, RoomNews]:
        """Return what was written because of these records."""
        return confirm_rooms(connection, followed)


class ClientDataProjection:
    """Writes account data and who is erased (`logs.following.projected_topic.Projection`)."""

    topic: Final[Topic[OutputClientData]] = OUTPUT_CLIENT_DATA

    def __init__(self, projected: Projected) -> None:
        self.progress: Final[TopicProgress] = projected.client_data
        self.learn: Final = projected.learn_client_data

    def write(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputClientData]],
        reject: Reject[OutputClientData],
    ) -> ClientDataNews:
        """Write a batch of account data and of erasures; other kinds are for other readers."""
        del reject  # there is nothing to refuse
        news = ClientDataNews(messages[-1].position.offset + 1)
        data: list[AccountDatum] = []
        for message in messages:
            offset = message.position.offset
            record = message.value
            news.note(record, offset)
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
        return news

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[OutputClientData]]
    ) -> Mapping[int, ClientDataNews]:
        """Return what these records mean to memory."""
        del connection  # nothing depends on what was stored: the answer's data is read from there
        return confirm_client_data(followed)
