"""The log on Kafka itself: topics, appends, readers and bounds."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from time import perf_counter
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from base.metrics import Reading
from logs.append_metrics import QUEUED_BYTES, AppendCounts, AppendObserver
from logs.kafka.appending import Appender
from logs.kafka.ends import EndLookups
from logs.kafka.reaching import not_reached
from logs.kafka.reading import KafkaMember, KafkaTail, fetch_bounds, fetch_ends
from logs.kafka.settings import KafkaLogSettings
from logs.log import (
    ONE_RUN,
    LogMismatch,
    LogOutage,
    LogRun,
    Outgoing,
    Ownership,
    Position,
    RecordTooLarge,
    partition_of_key,
)
from logs.retention import Retentions
from logs.topics import Topic


class KafkaLog:
    """A `Log` on a Kafka cluster.

    `generation` is made of the cluster's ID, the topic prefix and the setting `epoch`: whoever
    deletes topics by hand changes the epoch.
    """

    def __init__(
        self,
        settings: KafkaLogSettings,
        admin: AIOKafkaAdminClient,
        asking: "AIOKafkaConsumer[bytes, bytes]",
        cluster_id: str,
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._asking = asking
        self._generation = f"{cluster_id}/{settings.topic_prefix}/{settings.epoch}"
        self._appender = Appender(settings)
        self._ends = EndLookups(self._fetch_ends)
        self._counts = AppendCounts()
        self._partitions: dict[str, int] = {}
        self._is_closed = False

    @classmethod
    async def connect(cls, settings: KafkaLogSettings) -> "KafkaLog":
        """Connect to the cluster; `ensure_topics` comes next. Raises `LogOutage`."""
        admin = AIOKafkaAdminClient(**settings.connection())
        asking: AIOKafkaConsumer[bytes, bytes] = AIOKafkaConsumer(
            **settings.connection(), group_id=None
        )
        try:
            await admin.start()
            await asking.start()
            cluster = await admin.describe_cluster()
        except BaseException as error:
            await admin.close()
            await asking.stop()
            if isinstance(error, KafkaError | OSError):
                raise await not_reached(settings, error) from error
            raise
        return cls(settings, admin, asking, str(cluster["cluster_id"]))

    async def ensure_topics(
        self,
        topics: Iterable[Topic[Any]],
        partitions: Mapping[str, int] | None = None,
        retentions: Retentions | None = None,
    ) -> None:
        """Create the topics that are missing and learn the partitions of all.

        `partitions` has numbers other than the setting's, for topics that are created, and
        `retentions` what they keep. Raises
        `LogOutage`; `LogMismatch` if a topic is there with fewer partitions than before.
        """
        wanted = {self._full_name(topic.name): topic for topic in topics}
        counts, kept = partitions or {}, retentions or Retentions()
        try:
            missing = wanted.keys() - set(await self._admin.list_topics())
            if missing:
                await self._create(
                    [
                        self._new_topic(wanted[name], counts.get(wanted[name].name), kept)
                        for name in sorted(missing)
                    ]
                )
            await self._learn(wanted)
        except (KafkaError, OSError) as error:
            raise LogOutage(f"Kafka's topics cannot be made ready: {error!r}") from error

    def _new_topic(
        self, topic: Topic[Any], partitions: int | None, retentions: Retentions
    ) -> NewTopic:
        settings, kept = self._settings, retentions.of(topic)
        configs = {"retention.ms": str(kept.ms), "cleanup.policy": "delete"}
        if kept.max_bytes is not None:
            configs["retention.bytes"] = str(kept.max_bytes)
        if settings.min_insync_replicas is not None:
            configs["min.insync.replicas"] = str(settings.min_insync_replicas)
        name = self._full_name(topic.name)
        new = NewTopic(name, partitions or settings.partitions, 1, topic_configs=configs)
        # Set afterwards: the constructor does not know that -1 means the cluster's default.
        new.replication_factor = settings.replication_factor
        return new

    async def _create(self, topics: list[NewTopic]) -> None:
        response = await self._admin.create_topics(topics)
        for name, code, *_ in response.topic_errors:
            # Another process may have been first.
            if code and code != TopicAlreadyExistsError.errno:
                raise for_code(code)(name)

    async def _learn(self, wanted: Mapping[str, Topic[Any]]) -> None:
        deadline_s = asyncio.get_running_loop().time() + self._settings.append_timeout_s
        while True:
            found = {
                topic["topic"]: topic["partitions"]
                for topic in await self._admin.describe_topics(list(wanted))
            }
            if all(
                found.get(name) and all(item["leader"] >= 0 for item in found[name])
                for name in wanted
            ):
                break
            if asyncio.get_running_loop().time() > deadline_s:
                raise LogOutage("Kafka has no leaders for some topics.")
            await asyncio.sleep(0.05)
        for name, topic in wanted.items():
            count = len(found[name])
            if self._partitions.get(topic.name, count) != count:
                raise LogMismatch(
                    f"{name} has {count} partitions and had {self._partitions[topic.name]}: the "
                    "partition of a key may not change."
                )
            self._partitions[topic.name] = count
        await self._asking.topics()

    def _full_name(self, topic: str) -> str:
        return f"{self._settings.topic_prefix}{topic}"

    @property
    def generation(self) -> str:
        """The cluster's ID, the prefix and the epoch of the settings."""
        return self._generation

    @property
    def runs(self) -> Sequence[LogRun]:
        """One: Kafka does not tell whether its topics were put back to an older state."""
        return ONE_RUN

    @property
    def max_record_bytes(self) -> int:
        """The limit of one record's key and value together."""
        return self._settings.max_record_bytes

    def partition_count(self, topic: str) -> int:
        """Return how many partitions the topic has."""
        return self._partitions[topic]

    def partition_of(self, topic: str, key: str) -> int:
        """Return the partition that records with this key go to."""
        return partition_of_key(key, self._partitions[topic])

    async def append(self, topic: str, records: Sequence[Outgoing]) -> Sequence[Position]:
        """Append and return the positions once all are on enough brokers."""
        self._require_open()
        count = self._partitions[topic]
        limit = self._settings.max_record_bytes
        placed: list[tuple[int, Outgoing]] = []
        for outgoing in records:
            if len(outgoing.key) + len(outgoing.value) > limit:
                raise RecordTooLarge(
                    f"A record of {len(outgoing.key) + len(outgoing.value)} bytes is over the "
                    f"limit of {limit}."
                )
            placed.append((partition_of_key(outgoing.key, count), outgoing))
        if not placed:
            return []
        started = perf_counter()
        size = sum(len(outgoing.key) + len(outgoing.value) for outgoing in records)
        try:
            positions = await self._appender.append(self._full_name(topic), placed, size)
        except LogOutage as outage:
            self._counts.failed(topic, len(records), perf_counter() - started, outage)
            raise
        self._counts.appended(topic, len(records), size, perf_counter() - started)
        return positions

    async def check(self) -> None:
        """Return if the brokers answer. Raises `LogOutage`."""
        await self.bounds(next(iter(self._partitions)))

    async def watch(self) -> None:
        """Wait for ever: brokers that fail are replaced, or come back."""
        await asyncio.Event().wait()

    def observe_appends(self, observe: AppendObserver) -> None:
        """Let `observe` hear of each append."""
        self._counts.observe = observe

    def readings(self) -> Iterator[Reading]:
        """Give what the log has counted, for metrics."""
        yield from self._counts.readings()
        yield Reading(QUEUED_BYTES, (), self._appender.queued_bytes)

    def _require_open(self) -> None:
        if self._is_closed:
            raise LogOutage("The log is closed.")

    async def subscribe(self, topic: str, group: str, ownership: Ownership) -> KafkaMember:
        """Join a consumer group; its name in Kafka is prefix, group and topic."""
        self._require_open()
        member = KafkaMember(
            self._settings,
            self._full_name(topic),
            f"{self._full_name(group)}.{topic}",
            ownership,
            ask=lambda: self.bounds(topic),
        )
        await member.start()
        return member

    async def tail(self, topic: str, start: Mapping[int, int] | None = None) -> KafkaTail:
        """Read all partitions, without a group."""
        self._require_open()
        given = start or {}
        bounds = await self.bounds(topic)
        starts = {number: given.get(number, end) for number, (_, end) in bounds.items()}
        reader = KafkaTail(self._settings, self._full_name(topic), starts)
        await reader.start()
        return reader

    async def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return per partition the first offset that is kept and the next one to be written."""
        self._require_open()
        partitions = range(self._partitions[topic])
        return await fetch_bounds(self._asking, self._full_name(topic), partitions)

    async def ends(self, topics: Sequence[str]) -> Mapping[str, Sequence[int]]:
        """Return for each topic the next offset to be written, partition by partition."""
        self._require_open()
        return await self._ends.ends(topics)

    async def _fetch_ends(self, topics: AbstractSet[str]) -> dict[str, list[int]]:
        partitions = {self._full_name(topic): self._partitions[topic] for topic in topics}
        found = await fetch_ends(self._asking, partitions)
        return {topic: found[self._full_name(topic)] for topic in topics}

    async def trim(self, topic: str, before: Mapping[int, int]) -> None:
        """Let Kafka delete the records below these offsets."""
        self._require_open()
        bounds = await self.bounds(topic)
        wanted = {
            TopicPartition(self._full_name(topic), partition): RecordsToDelete(
                before_offset=min(offset, bounds[partition][1])
            )
            for partition, offset in before.items()
            if offset > bounds[partition][0]
        }
        if not wanted:
            return
        try:
            await self._admin.delete_records(wanted)
        except (KafkaError, OSError) as error:
            raise LogOutage(f"Kafka did not delete records: {error!r}") from error

    async def close(self) -> None:
        """Send what was accepted and disconnect; subscriptions are closed by their holders."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._ends.close()
        await self._appender.close()
        await self._asking.stop()
        await self._admin.close()
