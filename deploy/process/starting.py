"""Opens what a server stands on, and says in one line why it cannot where it cannot."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
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
from deploy.errors import StartRefused
from deploy.process.data_directory import DataDirectory
from deploy.process.log_elsewhere import LogElsewhere
from deploy.process.signing_key_file import read_signing_key, write_new_signing_key
from deploy.settings import Settings, TracesSettings
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
    if directory.keeps_databases:
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
