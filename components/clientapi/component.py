"""Puts the client API together from what it is given."""

from typing import NamedTuple

from base.clock import Clock
from base.http import Router
from components.clientapi.aliases import AliasService
from components.clientapi.creation_request import CreationParser
from components.clientapi.member_profiles import MemberProfiles
from components.clientapi.memberships import MembershipService
from components.clientapi.outcomes import Outcomes
from components.clientapi.profile_changes import ProfileChanges
from components.clientapi.rates import Rates
from components.clientapi.redactions import RedactionService
from components.clientapi.requesters import Requesters
from components.clientapi.restricted_joins import RestrictedJoins
from components.clientapi.room_creation import RoomCreation
from components.clientapi.routes.directory import DirectoryRoutes
from components.clientapi.routes.events import EventRoutes
from components.clientapi.routes.markers import MarkerRoutes
from components.clientapi.routes.memberships import MembershipRoutes
from components.clientapi.routes.profiles import ProfileRoutes
from components.clientapi.routes.rooms import RoomRoutes
from components.clientapi.sending import EventSender
from components.clientapi.settings import ClientApiSettings
from components.clientapi.state_changes import StateChanges
from components.clientapi.transactions import Transactions
from components.clientapi.upgrades import RoomUpgrades
from internalapi.roomserver import RoomDirectory, RoomQueries
from internalapi.userapi import Accounts, Authentication, Profiles
from logs.log import Log
from matrix.identifiers import ServerName
from matrix.room_versions import room_version
from matrix.signing import SigningKey

__all__ = ["ClientApi", "build"]


class ClientApi(NamedTuple):
    """The client API: what clients reach, and what has to run."""

    router: Router
    outcomes: Outcomes
    """Its `run` has to run; `wait_ready` returns once requests can be served."""
    sender: EventSender


def build(
    *,
    log: Log,
    rooms: RoomQueries,
    directory: RoomDirectory,
    authentication: Authentication,
    profiles: Profiles,
    accounts: Accounts,
    server_name: ServerName,
    key: SigningKey,
    clock: Clock,
    settings: ClientApiSettings,
    default_room_version: str,
) -> ClientApi:
    """Put the component together; nothing is started.

    Raises `UnsupportedRoomVersion` for a default that does not exist.
    """
    room_version(default_room_version)
    outcomes = Outcomes(log, max_waiting=settings.max_waiting_sends)
    sender = EventSender(
        rooms=rooms,
        log=log,
        outcomes=outcomes,
        server_name=server_name,
        key=key,
        clock=clock,
        settings=settings,
    )
    requesters = Requesters(authentication)
    rates = Rates(settings, clock)
    member_profiles = MemberProfiles(profiles, accounts, server_name)
    aliases = AliasService(sender, directory, server_name)
    memberships = MembershipService(
        sender=sender,
        profiles=member_profiles,
        restricted_joins=RestrictedJoins(sender, rooms, server_name),
        rates=rates,
    )
    creation = RoomCreation(
        sender=sender, directory=directory, profiles=member_profiles, rates=rates
    )
    router = Router()
    EventRoutes(
        requesters=requesters,
        sender=sender,
        transactions=Transactions(settings.remembered_transactions),
        redactions=RedactionService(sender, rooms, server_name),
        state_changes=StateChanges(sender, memberships, aliases),
        rates=rates,
    ).add_to(router)
    MembershipRoutes(requesters=requesters, memberships=memberships, aliases=aliases).add_to(router)
    RoomRoutes(
        requesters=requesters,
        parser=CreationParser(server_name, default_room_version, settings),
        creation=creation,
        upgrades=RoomUpgrades(
            sender=sender, rooms=rooms, directory=directory, profiles=member_profiles, rates=rates
        ),
    ).add_to(router)
    ProfileRoutes(
        requesters=requesters,
        changes=ProfileChanges(
            sender=sender,
            rooms=rooms,
            profiles=profiles,
            member_profiles=member_profiles,
            rooms_at_once=settings.rooms_updated_at_once,
        ),
    ).add_to(router)
    DirectoryRoutes(
        requesters=requesters,
        sender=sender,
        aliases=aliases,
        directory=directory,
        server_name=server_name,
        max_page=settings.max_public_rooms_page,
    ).add_to(router)
    MarkerRoutes(requesters=requesters, sender=sender).add_to(router)
    return ClientApi(router, outcomes, sender)
