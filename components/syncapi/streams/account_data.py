"""The stream of account data, with what else OutputClientData tells of users."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from base.database import Connection
from components.syncapi.changes import AccountDatum, ClientDataNews
from components.syncapi.store.account_data import (
    delete_account_data,
    select_account_data,
    select_room_account_data,
    upsert_account_data,
)
from components.syncapi.store.erasures import delete_erasure, insert_erasure
from components.syncapi.store.to_device import delete_of_removed
from components.syncapi.streams.account_data_history import user_stages
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.events import render_datum, render_events, wants
from components.syncapi.streams.history import HistorySource, Stage
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.stream import (
    ProjectedStream,
    WantedRows,
)
from components.syncapi.timeline.paging import FROM_THE_START
from components.syncapi.tokens import Absent
from components.syncapi.unread.counting import COUNTED_BY
from logs.consumer import Message
from logs.following.projected_topic import FollowedRecords, Reject
from logs.records.client_data import (
    AccountDataChanged,
    AccountStatusChanged,
    OutputClientData,
    TokensRevoked,
)
from logs.topics import OUTPUT_CLIENT_DATA


class AccountDataStream(ProjectedStream[OutputClientData, ClientDataNews]):
    """Tells account data of the reader, and of their rooms; learns who ignores whom."""

    name = "client data"
    number = 2
    topic = OUTPUT_CLIENT_DATA
    absent = Absent.REFUSED
    shows_rooms = True

    @classmethod
    def stages(cls, source: HistorySource) -> list[Stage]:
        """Return what it is rebuilt from."""
        return user_stages(source)

    def write(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputClientData]],
        reject: Reject[OutputClientData],
    ) -> ClientDataNews:
        """Write a batch of account data, erasures and removed devices; others read the rest."""
        del reject  # there is nothing to refuse
        news = ClientDataNews()
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
            elif isinstance(record, TokensRevoked) and record.removed_up_to is not None:
                delete_of_removed(
                    connection,
                    record.user_id,
                    record.device_id,
                    record.removed_up_to,
                    message.timestamp_ms,
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
        """Return what the records mean to memory: nothing depends on what was stored."""
        del connection
        news = {partition: ClientDataNews() for partition in followed}
        for partition, one in followed.items():
            for offset, record in one.records:
                news[partition].note(record, offset)
        return news

    def learn(self, partition: int, news: ClientDataNews) -> None:
        """Take in what was committed of users' data."""
        del partition  # to learn it twice changes nothing
        users = self._projected.users
        for user_id, order in news.newest.items():
            users.note_account_data(user_id, order)
        for user_id, ignored in news.ignored.items():
            users.ignore(user_id, ignored)
        for user_id in news.signed_out:
            self._projected.signed_out[user_id] = True
        self._projected.polls.wake(news.newest.keys() | news.signed_out)

    async def look(self, request: SyncRequest, answer: SyncAnswer) -> WantedRows[Any] | None:
        """Ask for what changed, and for all account data of rooms that begin."""
        partition = self._partition_of(request.user_id)
        from_order = (
            FROM_THE_START if request.since is None else request.since[self.slot][partition]
        )
        begun = answer.begun if request.since is not None else ()
        if request.since is not None and request.account_data_order < from_order and not begun:
            return None
        to_order = request.upto[self.slot][partition]
        return WantedRows(
            partial(_read, request.user_id, from_order, to_order, begun),
            partial(_tell, request, answer),
        )


def _read(
    user_id: str,
    from_order: int,
    to_order: int,
    begun: Iterable[str],
    connection: Connection,
) -> Sequence[AccountDatum]:
    data = select_account_data(connection, user_id, from_order, to_order)
    for room_id in begun:
        data += [
            datum
            for datum in select_room_account_data(connection, user_id, room_id)
            if datum.stream_order < from_order
        ]
    return data


async def _tell(request: SyncRequest, answer: SyncAnswer, data: Sequence[AccountDatum]) -> None:
    room_filter = request.filter.room
    events: list[bytes] = []
    for datum in data:
        if not datum.room_id:
            if wants(request.filter.account_data, datum):
                events.append(render_datum(datum))
            if datum.type in COUNTED_BY and request.since is not None:
                answer.recounts_all = True
        elif room_filter.includes_room(datum.room_id) and wants(room_filter.account_data, datum):
            answer.account_data.setdefault(datum.room_id, []).append(render_datum(datum))
    if events:
        answer.sections["account_data"] = render_events(events)
