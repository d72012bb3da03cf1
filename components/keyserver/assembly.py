"""Puts the key server together."""

from dataclasses import dataclass

from base.clock import Clock
from base.database import Database
from base.http import Router
from components.keyserver.announced import ANNOUNCED
from components.keyserver.backed_up_keys import BackedUpKeys
from components.keyserver.cross_signing import CrossSigningUploads
from components.keyserver.dehydrated_devices import DehydratedDeviceService
from components.keyserver.deleted_backups import DeletedBackups
from components.keyserver.history import KeyHistoryReader
from components.keyserver.key_backups import KeyBackups
from components.keyserver.key_changes import KeyAnnouncements
from components.keyserver.key_queries import KeyQueries
from components.keyserver.processor import ClientDataProcessor, is_of_devices
from components.keyserver.routes.backed_up_keys import BackedUpKeyRoutes
from components.keyserver.routes.cross_signing import CrossSigningRoutes
from components.keyserver.routes.dehydrated_devices import DehydratedDeviceRoutes
from components.keyserver.routes.key_backups import KeyBackupRoutes
from components.keyserver.routes.keys import KeyRoutes
from components.keyserver.settings import KeyServerSettings
from components.keyserver.signing import SignatureUploads
from components.keyserver.store.schema import SCHEMA
from components.keyserver.uploads import KeyUploads
from internalapi.keyserver import UserKeys
from internalapi.userapi import Authentication, DehydratedDevices, Devices, UserProofs
from logs.announcing.announcements import Announcements
from logs.announcing.announcer import Announcer
from logs.consumer.loop import Consumer
from logs.log import Log
from logs.records.client_data import OutputClientData
from logs.topics import OUTPUT_CLIENT_DATA
from matrix.identifiers import ServerName
from requesting.rates import RequestRates
from requesting.requesters import Requesters

__all__ = ["SCHEMA", "KeyHistoryReader", "KeyServer", "build"]


@dataclass(frozen=True, slots=True)
class KeyServer:
    """The key server: what others ask, what clients reach, and what has to run."""

    user_keys: UserKeys
    router: Router
    consumer: Consumer[OutputClientData]
    deleted_backups: DeletedBackups
    _announcer: Announcer

    async def run(self) -> None:
        """Announce what is written, until cancelled."""
        try:
            await self._announcer.run()
        finally:
            await self._announcer.finish()


def build(
    *,
    settings: KeyServerSettings,
    server_name: ServerName,
    database: Database,
    log: Log,
    clock: Clock,
    authentication: Authentication,
    devices: Devices,
    dehydrated_devices: DehydratedDevices,
    proofs: UserProofs,
) -> KeyServer:
    """Return a key server over its database, opened durable with `SCHEMA`; nothing is started."""
    announcements: KeyAnnouncements = Announcements(
        ANNOUNCED, database, log, timeout_s=settings.announce_timeout_s
    )
    # The specification calls no endpoint of keys rate-limited but those of backups.
    requesters = Requesters(
        authentication, RequestRates(clock, per_user=settings.backup_rate_per_user)
    )
    keys = KeyQueries(database, announcements)
    router = Router()
    KeyRoutes(
        requesters=requesters,
        uploads=KeyUploads(database, announcements, devices, settings),
        keys=keys,
        server_name=server_name,
        settings=settings,
    ).add_to(router)
    DehydratedDeviceRoutes(
        requesters=requesters,
        devices=DehydratedDeviceService(database, announcements, dehydrated_devices, settings),
    ).add_to(router)
    CrossSigningRoutes(
        requesters=requesters,
        keys=CrossSigningUploads(
            database, announcements, proofs, key_bytes_max=settings.key_bytes_max
        ),
        signatures=SignatureUploads(announcements),
        settings=settings,
    ).add_to(router)
    deleted_backups = DeletedBackups(database)
    backups = KeyBackups(database, deleted_backups, settings)
    KeyBackupRoutes(requesters=requesters, backups=backups).add_to(router)
    BackedUpKeyRoutes(requesters=requesters, keys=BackedUpKeys(database, settings)).add_to(router)
    return KeyServer(
        user_keys=keys,
        router=router,
        consumer=Consumer(
            "keyserver",
            OUTPUT_CLIENT_DATA,
            lambda _: ClientDataProcessor(announcements, deleted_backups),
            log,
            database,
            max_batch=settings.max_batch_records,
            concerns=is_of_devices,
        ),
        deleted_backups=deleted_backups,
        _announcer=Announcer(announcements, log),
    )
