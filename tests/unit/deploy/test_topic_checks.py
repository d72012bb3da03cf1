"""What is said of topics that do not fit the settings."""

import pytest

from deploy.commands.topic_checks import misfits
from logs.kafka.settings import KafkaLogSettings
from logs.kafka.topics import TopicState
from logs.retention import Retention, Retentions
from logs.topics import INPUT_ROOM_EVENT

SETTINGS = KafkaLogSettings(
    bootstrap_servers=["localhost:9092"],
    topic_prefix="x.",
    partitions=8,
    replication_factor=3,
    min_insync_replicas=2,
)
FITTING = TopicState(
    partitions=8,
    replicas=3,
    in_sync_replicas=3,
    cleanup_policy="delete",
    max_message_bytes=1_048_588,
    min_insync_replicas=2,
    retention_bytes=-1,
    retention_ms=24 * 3_600_000,
)
KEPT = Retentions().of(INPUT_ROOM_EVENT)


def test_a_topic_as_it_is_created_fits() -> None:
    assert list(misfits(INPUT_ROOM_EVENT, FITTING, SETTINGS, KEPT)) == []


def test_records_may_be_kept_longer() -> None:
    for retention_ms in (-1, 10**12):
        state = FITTING._replace(retention_ms=retention_ms)
        assert list(misfits(INPUT_ROOM_EVENT, state, SETTINGS, KEPT)) == []


def test_a_missing_topic_is_named_with_what_creates_it() -> None:
    [found] = misfits(INPUT_ROOM_EVENT, None, SETTINGS, KEPT)

    assert (found.topic, found.message) == ("InputRoomEvent", "is missing.")
    assert "xylem topics --create" in found.advice


@pytest.mark.parametrize(
    ("changed", "message", "advice"),
    [
        ({"partitions": 4}, "has 4 partitions", "Set log.kafka.partitions to 4."),
        ({"replicas": 2}, "has 2 copies", "kafka-reassign-partitions.sh, for x.InputRoomEvent"),
        (
            {"min_insync_replicas": 1},
            "min.insync.replicas=1",
            "--add-config min.insync.replicas=2",
        ),
        (
            {"retention_ms": 3_600_000},
            "keeps records for 1 h, its readers may need them for 24 h.",
            "--entity-name x.InputRoomEvent --add-config retention.ms=86400000",
        ),
        ({"retention_bytes": 5}, "drops records over 5 bytes", "--add-config retention.bytes=-1"),
        (
            {"cleanup_policy": "compact"},
            "cleanup.policy=compact",
            "--add-config cleanup.policy=delete",
        ),
        (
            {"max_message_bytes": 900_000},
            "takes 900000 bytes at once",
            "--add-config max.message.bytes=950000",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_what_changes_it(
    changed: dict[str, int], message: str, advice: str
) -> None:
    state = TopicState(**(FITTING._asdict() | changed))

    [found] = misfits(INPUT_ROOM_EVENT, state, SETTINGS, KEPT)

    assert message in found.message
    assert advice in found.advice


def test_a_topic_that_takes_no_records_is_named() -> None:
    state = FITTING._replace(replicas=1, in_sync_replicas=1)

    messages = [found.message for found in misfits(INPUT_ROOM_EVENT, state, SETTINGS, KEPT)]

    assert messages == [
        "has 1 copies, log.kafka.replication_factor is 3.",
        "has 1 copies and min.insync.replicas=2: nothing can be appended.",
    ]


@pytest.mark.parametrize(
    ("kept", "message", "advice"),
    [
        (
            Retention(3_600_000, None),
            "keeps records for 24 h, log.retention_h says 1 h.",
            "--add-config retention.ms=3600000",
        ),
        (
            Retention(86_400_000, 1000),
            "keeps any number of bytes of a partition, log.retention_bytes says 1000.",
            "--add-config retention.bytes=1000",
        ),
    ],
)
def test_what_keeps_more_than_is_set_is_named(kept: Retention, message: str, advice: str) -> None:
    [found] = misfits(INPUT_ROOM_EVENT, FITTING, SETTINGS, kept)

    assert found.message == message
    assert advice in found.advice
