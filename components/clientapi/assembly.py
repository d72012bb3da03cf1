"""Puts the client API together from what it is given."""

from collections.abc import Sequence
from typing import NamedTuple

from base.clock import Clock
from base.http import Router
from base.metrics import Source, sizes_of
from components.clientapi.directory.aliases import AliasService
from components.clientapi.events.redactions import RedactionService
from components.clientapi.events.relations import RelationChecks
from components.clientapi.events.state_changes import StateChanges
from components.clientapi.memberships.departures import DepartureService
from components.clientapi.memberships.forgetting import RoomForgetting
from components.clientapi.memberships.guests import GuestRemoval
from components.clientapi.memberships.mutual_rooms import MutualRooms
from components.clientapi.memberships.restricted_joins import RestrictedJoins
from components.clientapi.memberships.service import MembershipService
from components.clientapi.profiles.changes import ProfileChanges
from components.clientapi.profiles.member_profiles import MemberProfiles
from components.clientapi.profiles.shown_profiles import ShownProfiles
from components.clientapi.rates import ClientApiRates
from components.clientapi.reading_marks.receipts import ReceiptWriter
from components.clientapi.reading_marks.typing_writer import TypingWriter
from components.clientapi.rooms.creation import RoomCreation
from components.clientapi.rooms.creation_request import CreationParser
from components.clientapi.rooms.replacements import Replacements
from components.clientapi.rooms.successors import Successors
from components.clientapi.rooms.upgrades import RoomUpgrades
from components.clientapi.routes.directory import DirectoryRoutes
from components.clientapi.routes.events import EventRoutes
from components.clientapi.routes.memberships import MembershipRoutes
from components.clientapi.routes.mutual_rooms import MutualRoomRoutes
from components.clientapi.routes.profiles import ProfileRoutes
from components.clientapi.routes.reading_marks import ReadingMarkRoutes
from components.clientapi.routes.rooms import RoomCreationRoutes
from components.clientapi.routes.to_device import ToDeviceRoutes
from components.clientapi.settings import ClientApiSettings
from components.clientapi.to_device.writer import ToDeviceWriter
from components.clientapi.visible_events import VisibleEvents
from internalapi.clientapi import Departures
from internalapi.roomserver import RoomDirectory, RoomQueries
from internalapi.syncapi import EventVisibility, Relations
from internalapi.userapi import (
    AccountData,
    Accounts,
    Authentication,
    Devices,
    Profiles,
    ReplacedRooms,
)
from logs.log import Log
from logs.processed_inputs import ProcessedInputs
from matrix.identifiers import EventID, ServerName
from matrix.room_versions import room_version
from matrix.signing import SigningKey
from requesting.requesters import Requesters
from requesting.transactions import Transactions
from roomwriting.building import EventBuilder
from roomwriting.chains import Chains
from roomwriting.inputs import RoomInputs
from roomwriting.outcomes import Outcomes
from roomwriting.sending import EventSender

__all__ = ["ClientApi", "build"]


class ClientApi(NamedTuple):
    """The client API: what clients reach, and what has to run."""

    router: Router
    outcomes: Outcomes
    """Its `run` has to run; `wait_ready` returns once requests can be served."""
    sender: EventSender
    departures: Departures
    """Asked by the component that ends accounts."""
    readings: Sequence[Source]
    """What was counted, for metrics."""


def build(
    *,
    log: Log,
    rooms: RoomQueries,
    directory: RoomDirectory,
    authentication: Authentication,
    profiles: Profiles,
    accounts: Accounts,
    account_data: AccountData,
    replaced_rooms: ReplacedRooms,
    devices: Devices,
    server_name: ServerName,
    key: SigningKey,
    clock: Clock,
    settings: ClientApiSettings,
    default_room_version: str,
    relations: Relations | None = None,
    visibility: EventVisibility | None = None,
    processed: ProcessedInputs | None = None,
) -> ClientApi:
    """Put the component together; nothing is started. Without `relations`, no reaction is compared.

    Without `visibility`, members may mark and redact events of the room that they do not see.
    Without `processed`, receipts and typing are answered once they are written.
    Raises `UnsupportedRoomVersion` for a default that does not exist.
    """
    room_version(default_room_version)
    outcomes = Outcomes(
        log,
        "clientapi",
        max_waiting=settings.max_waiting_sends,
        max_delay_s=settings.max_outcome_delay_s,
        clock=clock,
    )
    typing = TypingWriter(log, processed, settings.announce_timeout_s)
    inputs = RoomInputs(log, outcomes, settings.outcome_timeout_s)
    sender = EventSender(
        rooms=rooms,
        inputs=inputs,
        builder=EventBuilder(server_name, key, clock),
        chains=Chains(settings.max_chained_events, settings.remembered_state_events),
        tell_gone=typing.end_typing,
    )
    rates = ClientApiRates(settings, clock)
    visible = VisibleEvents(visibility)
    member_profiles = MemberProfiles(profiles, accounts, account_data, server_name)
    parts = _Parts(
        rooms=rooms,
        directory=directory,
        sender=sender,
        requesters=Requesters(authentication, rates.requests),
        rates=rates,
        member_profiles=member_profiles,
        shown=ShownProfiles(sender, member_profiles, log),
        aliases=AliasService(sender, directory, server_name),
        server_name=server_name,
        settings=settings,
        transactions=Transactions(settings.remembered_transactions),
        relations=RelationChecks(rooms, relations, visible),
        visible=visible,
        successors=Successors(sender, rooms, replaced_rooms, server_name),
        forgetting=RoomForgetting(inputs),
        guests=GuestRemoval(sender, rooms, accounts, server_name, settings.guests_removed_at_once),
    )
    router = Router()
    _add_events_and_memberships(parts, router)
    _add_rooms_and_directory(parts, default_room_version, router)
    changes = ProfileChanges(
        rooms=rooms,
        profiles=profiles,
        member_profiles=member_profiles,
        shown=parts.shown,
        rooms_at_once=settings.rooms_updated_at_once,
    )
    ProfileRoutes(requesters=parts.requesters, changes=changes).add_to(router)
    ReadingMarkRoutes(
        requesters=parts.requesters,
        sender=sender,
        writer=ReceiptWriter(
            rooms=rooms,
            visible=visible,
            log=log,
            clock=clock,
            processed=processed,
            timeout_s=settings.announce_timeout_s,
        ),
        typing=typing,
    ).add_to(router)
    to_device = Transactions[str](settings.remembered_transactions)
    ToDeviceRoutes(
        requesters=parts.requesters,
        writer=ToDeviceWriter(log, devices, server_name),
        transactions=to_device,
        rates=rates,
        max_users=settings.max_to_device_users,
    ).add_to(router)
    caches = sizes_of(
        "clientapi",
        {"transactions": parts.transactions, "to_device": to_device, "seen_events": visible},
    )
    departures = DepartureService(sender, rooms, server_name)
    return ClientApi(router, outcomes, sender, departures, (outcomes.readings, caches))


class _Parts(NamedTuple):
    """What several endpoints share."""

    rooms: RoomQueries
    directory: RoomDirectory
    sender: EventSender
    requesters: Requesters
    rates: ClientApiRates
    member_profiles: MemberProfiles
    shown: ShownProfiles
    aliases: AliasService
    server_name: ServerName
    settings: ClientApiSettings
    transactions: Transactions[EventID]
    relations: RelationChecks
    visible: VisibleEvents
    successors: Successors
    forgetting: RoomForgetting
    guests: GuestRemoval


def _add_events_and_memberships(parts: _Parts, router: Router) -> None:
    memberships = MembershipService(
        sender=parts.sender,
        profiles=parts.member_profiles,
        shown=parts.shown,
        restricted_joins=RestrictedJoins(parts.sender, parts.rooms, parts.server_name),
        forgetting=parts.forgetting,
        guests=parts.guests,
        successors=parts.successors,
        rates=parts.rates,
    )
    MembershipRoutes(
        requesters=parts.requesters,
        memberships=memberships,
        aliases=parts.aliases,
        forget_when_leaving=parts.settings.forget_when_leaving,
    ).add_to(router)
    EventRoutes(
        requesters=parts.requesters,
        sender=parts.sender,
        transactions=parts.transactions,
        redactions=RedactionService(
            parts.sender, parts.rooms, parts.server_name, parts.guests, parts.visible
        ),
        relations=parts.relations,
        state_changes=StateChanges(
            sender=parts.sender,
            memberships=memberships,
            aliases=parts.aliases,
            guests=parts.guests,
            relations=parts.relations,
            successors=parts.successors,
        ),
        rates=parts.rates,
    ).add_to(router)


def _add_rooms_and_directory(parts: _Parts, default_room_version: str, router: Router) -> None:
    MutualRoomRoutes(
        requesters=parts.requesters,
        mutual_rooms=MutualRooms(parts.rooms, parts.settings.max_mutual_rooms_page),
    ).add_to(router)
    RoomCreationRoutes(
        requesters=parts.requesters,
        parser=CreationParser(parts.server_name, default_room_version, parts.settings),
        creation=RoomCreation(
            sender=parts.sender,
            directory=parts.directory,
            profiles=parts.member_profiles,
            shown=parts.shown,
            rates=parts.rates,
        ),
        upgrades=RoomUpgrades(
            sender=parts.sender,
            directory=parts.directory,
            aliases=parts.aliases,
            replacements=Replacements(
                sender=parts.sender,
                rooms=parts.rooms,
                directory=parts.directory,
                profiles=parts.member_profiles,
            ),
            shown=parts.shown,
            successors=parts.successors,
            rates=parts.rates,
        ),
    ).add_to(router)
    DirectoryRoutes(
        requesters=parts.requesters,
        sender=parts.sender,
        aliases=parts.aliases,
        directory=parts.directory,
        server_name=parts.server_name,
        max_page=parts.settings.max_public_rooms_page,
    ).add_to(router)
