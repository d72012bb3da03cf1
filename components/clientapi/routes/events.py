"""Sending messages, state and redactions."""

from typing import Any, Final

from base.http import Request, Response, Router
from components.clientapi.events.redactions import RedactionService, split_redacts
from components.clientapi.events.relations import RelationChecks
from components.clientapi.events.state_changes import StateChanges
from components.clientapi.rates import ClientApiRates
from components.clientapi.routes.answers import R0, V3, event_id_response
from internalapi.userapi import Requester
from logs.records.room_input import Transaction
from matrix.errors import BadJson, InvalidParam
from matrix.identifiers import EventID, RoomID, parse_event_id, parse_room_id
from requesting.requesters import Requesters, require_active
from requesting.transactions import Transactions
from roomwriting.building import Draft
from roomwriting.sending import EventSender

_TRANSACTION_ID_CHARACTERS_MAX: Final = 255


class EventRoutes:
    """The endpoints that put one event into a room."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        sender: EventSender,
        transactions: Transactions[EventID],
        redactions: RedactionService,
        relations: RelationChecks,
        state_changes: StateChanges,
        rates: ClientApiRates,
    ) -> None:
        self._requesters = requesters
        self._sender = sender
        self._transactions = transactions
        self._redactions = redactions
        self._relations = relations
        self._state_changes = state_changes
        self._rates = rates

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        room = f"{V3}/rooms/{{room_id}}"
        router.put(
            f"{room}/send/{{event_type}}/{{transaction_id}}",
            by_user(self._send, guests=True, suspended=True),
            versions=R0,
        )
        router.put(
            f"{room}/redact/{{event_id}}/{{transaction_id}}",
            by_user(self._redact, suspended=True),
            versions=R0,
        )
        router.put(
            f"{room}/state/{{event_type}}/{{state_key?}}",
            by_user(self._put_state, guests=True, suspended=True),
            versions=R0,
        )

    async def _send(self, request: Request, requester: Requester) -> Response:
        """Answer `PUT /send`: the hot path of the whole server."""
        path = request.path
        room_id = parse_room_id(path["room_id"])
        event_type = path["event_type"]
        transaction = _transaction(requester, path["transaction_id"])
        content = await request.json_object()
        self._rates.check_send(requester.user_id)
        if event_type == "m.room.redaction":
            target_id, rest = split_redacts(content)
            return await self._answer_redaction(requester, room_id, target_id, rest, transaction)
        require_active(requester)
        draft = Draft(event_type, requester.user_id, content, transaction=transaction)
        return event_id_response(
            await self._transactions.once(
                (transaction, room_id, event_type), lambda: self._send_draft(room_id, draft)
            )
        )

    async def _send_draft(self, room_id: RoomID, draft: Draft) -> EventID:
        if "m.relates_to" not in draft.content:
            return await self._sender.send(room_id, draft)
        async with self._relations.checked(room_id, draft):
            return await self._sender.send(room_id, draft)

    async def _redact(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        target_id = parse_event_id(request.path["event_id"])
        transaction = _transaction(requester, request.path["transaction_id"])
        content = await request.json_object(allow_empty=True)
        if not isinstance(content.get("reason", ""), str):
            raise BadJson("The reason is not a string.")
        # The endpoint's own path says what is redacted.
        content.pop("redacts", None)
        self._rates.check_send(requester.user_id)
        return await self._answer_redaction(requester, room_id, target_id, content, transaction)

    async def _answer_redaction(
        self,
        requester: Requester,
        room_id: RoomID,
        target_id: EventID,
        content: dict[str, Any],
        transaction: Transaction,
    ) -> Response:
        return event_id_response(
            await self._transactions.once(
                (transaction, room_id, target_id),
                lambda: self._redactions.redact(
                    requester, room_id, target_id, content, transaction
                ),
            )
        )

    async def _put_state(self, request: Request, requester: Requester) -> Response:
        path = request.path
        room_id = parse_room_id(path["room_id"])
        content = await request.json_object()
        self._rates.check_send(requester.user_id)
        return event_id_response(
            await self._state_changes.put(
                requester, room_id, path["event_type"], path["state_key"], content
            )
        )


def _transaction(requester: Requester, transaction_id: str) -> Transaction:
    if len(transaction_id) > _TRANSACTION_ID_CHARACTERS_MAX:
        raise InvalidParam("The transaction ID is longer than 255 characters.")
    return Transaction(requester.user_id, requester.device_id, transaction_id)
