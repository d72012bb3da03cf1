"""The topics as a Kafka cluster has them, for whoever checks or creates them."""

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from logs.kafka.reaching import not_reached
from logs.kafka.reading import fetch_bounds
from logs.kafka.settings import KafkaLogSettings
from logs.log import LogOutage

_CONFIGS: Final = (
    "cleanup.policy",
    "max.message.bytes",
    "min.insync.replicas",
    "retention.bytes",
    "retention.ms",
)


class TopicState(NamedTuple):
    """A topic as it is."""

    partitions: int
    replicas: int
    """Copies of the partition that has the fewest."""
    in_sync_replicas: int
    """Copies up to date, of the partition that has the fewest."""
    cleanup_policy: str
    max_message_bytes: int
    min_insync_replicas: int
    retention_bytes: int
    """Bytes of a partition over which the oldest records are dropped; -1 for no limit."""
    retention_ms: int
    """Milliseconds after which records are dropped; -1 for never."""


async def describe_topics(
    settings: KafkaLogSettings, names: Collection[str]
) -> Mapping[str, TopicState]:
    """Return those of the topics, named without prefix, that the cluster has.

    Raises `LogOutage`.
    """
    full_names = {f"{settings.topic_prefix}{name}": name for name in names}
    try:
        async with _admin(settings) as admin:
            there = sorted(full_names.keys() & set(await admin.list_topics()))
            if not there:
                return {}
            found = {topic["topic"]: topic for topic in await admin.describe_topics(there)}
            configs = await _configs(admin, there)
    except (KafkaError, OSError) as error:
        raise LogOutage(f"Kafka does not tell of its topics: {error!r}") from error
    return {full_names[name]: _state(found[name], configs[name]) for name in there}


async def topic_bounds(
    settings: KafkaLogSettings, partitions: Mapping[str, int]
) -> Mapping[str, Mapping[int, tuple[int, int]]]:
    """Return for these topics, with so many partitions each, what `Log.bounds` returns.

    Raises `LogOutage`.
    """
    asking: AIOKafkaConsumer[bytes, bytes] = AIOKafkaConsumer(
        **settings.connection(), group_id=None
    )
    try:
        await asking.start()
        return {
            name: await fetch_bounds(asking, f"{settings.topic_prefix}{name}", range(count))
            for name, count in partitions.items()
        }
    except (KafkaError, OSError) as error:
        raise LogOutage(f"Kafka cannot be reached: {error!r}") from error
    finally:
        await asking.stop()


@contextlib.asynccontextmanager
async def _admin(settings: KafkaLogSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.connection())
    try:
        try:
            await admin.start()
        except (KafkaError, OSError) as error:
            raise await not_reached(settings, error) from error
        yield admin
    finally:
        await admin.close()


async def _configs(
    admin: AIOKafkaAdminClient, names: Collection[str]
) -> Mapping[str, Mapping[str, str]]:
    wanted = dict.fromkeys(_CONFIGS, "")
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in names]
    )
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


def _state(topic: Mapping[str, Any], configs: Mapping[str, str]) -> TopicState:
    partitions = topic["partitions"]
    return TopicState(
        partitions=len(partitions),
        replicas=min(len(one["replicas"]) for one in partitions),
        in_sync_replicas=min(len(one["isr"]) for one in partitions),
        cleanup_policy=configs["cleanup.policy"],
        max_message_bytes=int(configs["max.message.bytes"]),
        min_insync_replicas=int(configs["min.insync.replicas"]),
        retention_bytes=int(configs["retention.bytes"]),
        retention_ms=int(configs["retention.ms"]),
    )
