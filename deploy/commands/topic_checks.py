"""Whether the topics of a Kafka cluster are what the settings ask for, and what to do if not."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from logs.kafka.settings import KafkaLogSettings
from logs.kafka.topics import TopicState
from logs.retention import Retention
from logs.topics import Topic

_MS_PER_HOUR: Final = 3_600_000
_ROOM_FOR_HEADERS: Final = 50_000
"""What the log adds to its largest record at most, in a batch of one."""


class Misfit(NamedTuple):
    """Something about a topic that is not as it has to be."""

    topic: str
    message: str
    advice: str


class _Found(NamedTuple):
    message: str
    advice: str


def misfits(
    topic: Topic[Any],
    state: TopicState | None,
    settings: KafkaLogSettings,
    kept: Retention,
) -> Iterator[Misfit]:
    """Yield what does not fit; `state` is `None` for a topic that is not there."""
    if state is None:
        yield Misfit(topic.name, "is missing.", "Create it: xylem topics --create")
        return
    for message, advice in (
        *_layout(topic, state, settings),
        *_retention(topic, state, settings, kept),
        *_records(topic, state, settings),
    ):
        yield Misfit(topic.name, message, advice)


def _layout(topic: Topic[Any], state: TopicState, settings: KafkaLogSettings) -> Iterator[_Found]:
    name = f"{settings.topic_prefix}{topic.name}"
    if state.partitions != settings.partitions:
        yield _Found(
            f"has {state.partitions} partitions, log.kafka.partitions is {settings.partitions}.",
            f"Set log.kafka.partitions to {state.partitions}. Partitions must not be added: the "
            "partition of each room would change. To have another number, stop all components, "
            "delete the topics, change log.kafka.epoch, and run xylem rebind.",
        )
    if state.replicas < settings.replication_factor:
        yield _Found(
            f"has {state.replicas} copies, log.kafka.replication_factor is "
            f"{settings.replication_factor}.",
            f"Add copies: kafka-reassign-partitions.sh, for {name}",
        )
    wanted = settings.min_insync_replicas
    if wanted is not None and state.min_insync_replicas < wanted:
        yield _Found(
            f"has min.insync.replicas={state.min_insync_replicas}, "
            f"log.kafka.min_insync_replicas is {wanted}: a broker's loss may lose records.",
            _alter(name, "min.insync.replicas", wanted),
        )
    if state.min_insync_replicas > state.replicas:
        yield _Found(
            f"has {state.replicas} copies and min.insync.replicas={state.min_insync_replicas}: "
            "nothing can be appended.",
            _alter(name, "min.insync.replicas", state.replicas),
        )


def _retention(
    topic: Topic[Any], state: TopicState, settings: KafkaLogSettings, kept: Retention
) -> Iterator[_Found]:
    name = f"{settings.topic_prefix}{topic.name}"
    hours = "ever" if state.retention_ms < 0 else f"{state.retention_ms / _MS_PER_HOUR:g} h"
    if 0 <= state.retention_ms < kept.ms:
        yield _Found(
            f"keeps records for {hours}, its readers may need them for "
            f"{kept.ms / _MS_PER_HOUR:g} h.",
            _alter(name, "retention.ms", kept.ms),
        )
    is_shortened = kept.ms < topic.retention_h * _MS_PER_HOUR
    if is_shortened and not 0 <= state.retention_ms <= kept.ms:
        yield _Found(
            f"keeps records for {hours}, log.retention_h says {kept.ms / _MS_PER_HOUR:g} h.",
            _alter(name, "retention.ms", kept.ms),
        )
    if kept.max_bytes is None and state.retention_bytes >= 0:
        yield _Found(
            f"drops records over {state.retention_bytes} bytes, however new they are.",
            _alter(name, "retention.bytes", -1),
        )
    elif kept.max_bytes is not None and state.retention_bytes != kept.max_bytes:
        size = "any number of" if state.retention_bytes < 0 else state.retention_bytes
        yield _Found(
            f"keeps {size} bytes of a partition, log.retention_bytes says {kept.max_bytes}.",
            _alter(name, "retention.bytes", kept.max_bytes),
        )


def _records(topic: Topic[Any], state: TopicState, settings: KafkaLogSettings) -> Iterator[_Found]:
    name = f"{settings.topic_prefix}{topic.name}"
    if state.cleanup_policy != "delete":
        yield _Found(
            f"has cleanup.policy={state.cleanup_policy}, by which records of the same key are "
            "lost.",
            _alter(name, "cleanup.policy", "delete"),
        )
    if state.max_message_bytes < settings.max_record_bytes + _ROOM_FOR_HEADERS:
        yield _Found(
            f"takes {state.max_message_bytes} bytes at once, log.kafka.max_record_bytes is "
            f"{settings.max_record_bytes} and {_ROOM_FOR_HEADERS} are added.",
            _alter(name, "max.message.bytes", settings.max_record_bytes + _ROOM_FOR_HEADERS),
        )


def _alter(name: str, config: str, value: object) -> str:
    return (
        f"kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name {name} "
        f"--add-config {config}={value}"
    )
