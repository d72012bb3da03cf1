"""Opens what a server stands on, and says in one line why it cannot where it cannot."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from base.clock import Clock
from base.database import (
    Database,
    DatabaseDamaged,
    OtherServer,
    Schema,
    SchemaToBeRebuilt,
    SchemaTooNew,
    SchemaTooOld,
    open_database,
)
from base.http import Application, Listener, ServedListeners, UnsentAnswers, load_certificate, serve
from deploy.errors import StartRefused
from deploy.process.data_directory import DataDirectory
from deploy.process.log_elsewhere import LogElsewhere
from deploy.process.signing_key_file import read_signing_key, write_new_signing_key
from deploy.settings import HttpSettings, ListenerSettings, Settings, TracesSettings
from deploy.watching.readiness import Readiness
from logs.embedded import EmbeddedLog, FolderInUse
from logs.kafka.settings import KafkaLogSettings
from logs.log import Log, LogDamaged, LogMismatch
from logs.retention import Retentions
from logs.topics import TOPICS
from matrix.signing import SigningKey

if TYPE_CHECKING:
    from deploy.watching.traces import Traces

EMBEDDED_PARTITIONS: Final = dict.fromkeys(TOPICS, 1)
"""How many partitions each topic of the embedded log has."""
_log: Final = logging.getLogger(__name__)


def signing_key(directory: DataDirectory) -> SigningKey:
    """Return the server's key; a server that starts for the first time gets a new one.

    Only who holds the data directory makes one: processes elsewhere would make others.
    """
    path = directory.signing_key_path
    if path.exists() or directory.has_been_used or not directory.is_held:
        return read_signing_key(path)
    key = write_new_signing_key(path)
    _log.info("Made a signing key: keep a backup", extra={"path": str(path), "key": key.key_id})
    return key


def traces(settings: TracesSettings, components: Sequence[str]) -> "Traces":
    """Return the traces of this process, which the caller closes."""
    try:
        # OpenTelemetry is optional, and nobody else needs it in memory.
        from deploy.watching.traces import traces_of  # noqa: PLC0415
    except ImportError as error:
        raise StartRefused(
            f"Traces need OpenTelemetry, which is not installed: {error}.",
            "Install Xylem with the extra `otel`, or remove observing.traces from the settings.",
        ) from error
    return traces_of(settings, components)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn failures to open something, other than outages, into `StartRefused`."""
    try:
        yield
    except (SchemaTooNew, FolderInUse) as error:
        raise StartRefused(str(error)) from error
    except OtherServer as error:
        raise StartRefused(
            str(error),
            "A server cannot be renamed: set server_name to what it was, or start with "
            "another data_dir or database.url.",
        ) from error
    except SchemaToBeRebuilt as error:
        raise StartRefused(
            str(error),
            f"Run `xylem rebuild {error.schema_name}` with this version. Until it has ended, "
            "processes of the former version may go on.",
        ) from error
    except SchemaTooOld as error:
        raise StartRefused(
            str(error), "Run `xylem migrate`, or let database.migrate_at_start be true."
        ) from error
    except (DatabaseDamaged, LogMismatch) as error:
        raise StartRefused(
            f"{what} cannot be used: {error}", "Restore the data directory from the backup."
        ) from error
    except LogDamaged as error:
        raise StartRefused(
            f"{what} cannot be used: {error}",
            "Restore the data directory from the backup. Or move the folder `log` out of it and "
            "run `xylem rebind`: it says what is lost, and binds the databases to a new log.",
        ) from error
    except OSError as error:
        raise StartRefused(
            f"{what} cannot be opened: {error.strerror or error}.",
            "Check the owner of the data directory, and that there is room on the disk.",
        ) from error


@contextlib.asynccontextmanager
async def database(
    directory: DataDirectory,
    schema: Schema,
    readiness: Readiness,
    *,
    durable: bool = False,
    may_migrate: bool = True,
) -> AsyncIterator[Database]:
    """Hold a component's database open, created or migrated if need be."""
    if directory.database_url.startswith("sqlite"):
        directory.make()
    what = f"The database of {schema.name}"

    async def attempt() -> Database:
        with _explained(what):
            return await open_database(
                directory.database_url,
                schema,
                durable=durable,
                may_migrate=may_migrate,
                server_name=directory.server_name,
            )

    opened = await readiness.wait_for(what, attempt)
    try:
        yield opened
        await opened.make_durable()
    finally:
        await opened.close()


@contextlib.asynccontextmanager
async def log(
    directory: DataDirectory, settings: Settings, clock: Clock, readiness: Readiness
) -> AsyncIterator[Log]:
    """Hold the server's log open: Kafka where it is set, or the embedded one."""
    kafka = settings.log.kafka

    async def attempt() -> Log:
        with _explained("The log"):
            return await (
                _embedded_log(directory, settings, clock)
                if kafka is None
                else _kafka_log(kafka, settings.log.retentions)
            )

    opened = await readiness.wait_for("The log", attempt)
    try:
        yield opened
    finally:
        await opened.close()


@contextlib.asynccontextmanager
async def log_beside(settings: Settings, readiness: Readiness) -> AsyncIterator[Log]:
    """Hold what a command needs of the log of a server that may be running."""
    kafka = settings.log.kafka
    if kafka is None:
        yield LogElsewhere()
        return
    opened = await readiness.wait_for(
        "The log", partial(_kafka_log, kafka, settings.log.retentions)
    )
    try:
        yield opened
    finally:
        await opened.close()


async def _embedded_log(directory: DataDirectory, settings: Settings, clock: Clock) -> Log:
    sizes = msgspec.structs.asdict(settings.log.embedded)
    return await EmbeddedLog.open(directory.log_path, EMBEDDED_PARTITIONS, clock=clock, **sizes)


async def _kafka_log(settings: KafkaLogSettings, retentions: Retentions) -> Log:
    # Its client library is optional, and nobody else needs it in memory.
    from logs.kafka.log import KafkaLog  # noqa: PLC0415

    log = await KafkaLog.connect(settings)
    try:
        await log.ensure_topics(TOPICS.values(), retentions=retentions)
    except BaseException:
        await log.close()
        raise
    return log


def _listener(
    settings: ListenerSettings, application: Application, max_connections: int, http: HttpSettings
) -> Listener:
    """Return the listener of these settings; its certificate is tried first."""
    tls = settings.tls
    if tls is not None:
        try:
            load_certificate(Path(tls.certificate_path), Path(tls.key_path))
        except OSError as error:  # ssl.SSLError is one
            raise StartRefused(
                f"The certificate {tls.certificate_path} with key {tls.key_path} cannot be used: "
                f"{error.strerror or error}.",
                "Both have to be PEM files that belong together and that the server may read.",
            ) from error
    return Listener(
        application,
        host=settings.address,
        port=settings.port,
        certificate=Path(tls.certificate_path) if tls else None,
        private_key=Path(tls.key_path) if tls else None,
        trusted_proxies=settings.trusted_proxies,
        keep_alive_s=settings.keep_alive_s,
        max_connections=max_connections,
        answer_timeout_s=http.answer_timeout_s,
    )


@dataclass(frozen=True, slots=True)
class Serving:
    """What the listeners of a process share."""

    http: HttpSettings
    connections: Mapping[ListenerSettings, int]
    """How many connections each may have."""
    unsent: UnsentAnswers


@contextlib.asynccontextmanager
async def serving(
    settings: Sequence[ListenerSettings], applications: Sequence[Application], shared: Serving
) -> AsyncIterator[ServedListeners]:
    """Serve each listener's application while the context lasts."""
    listeners = [
        _listener(one, application, shared.connections[one], shared.http)
        for one, application in zip(settings, applications, strict=True)
    ]
    served = serve(listeners, drain_s=shared.http.shutdown_s, unsent=shared.unsent)
    try:
        server = await served.__aenter__()
    except PermissionError as error:
        raise StartRefused(
            f"The server has no right to listen on {_addresses(listeners)}.",
            "Ports below 1024 need CAP_NET_BIND_SERVICE: with systemd, install the drop-in "
            "deploy/systemd/low-ports.conf. Or let a reverse proxy listen there.",
        ) from error
    except OSError as error:
        raise StartRefused(
            f"The server cannot listen on {_addresses(listeners)}: {error.strerror or error}.",
            "Stop what listens there, or set another address or port under listeners.",
        ) from error
    try:
        yield server
    finally:
        # Whatever ends the server, requests under way are finished.
        await served.__aexit__(None, None, None)


def _addresses(listeners: Sequence[Listener]) -> str:
    return ", ".join(f"{one.host} port {one.port}" for one in listeners)
