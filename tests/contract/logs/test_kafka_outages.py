"""What the log on Kafka does while the broker does not answer."""

import signal

import pytest

from logs.kafka.log import KafkaLog
from logs.kafka.settings import KafkaLogSettings
from logs.log import LogOutage
from logs.topics import REJECTED
from tests.contract.logs.under_test import NUMBERS, numbered, take, value_of
from tests.fixtures.kafka_broker import KafkaBroker
from tests.fixtures.servers import free_port

pytestmark = pytest.mark.kafka


def _settings(address: str, prefix: str) -> KafkaLogSettings:
    return KafkaLogSettings(
        bootstrap_servers=[address], topic_prefix=prefix, partitions=1, append_timeout_s=1
    )


async def test_a_broker_that_does_not_answer_is_an_outage_and_later_appends_work(
    kafka_process: KafkaBroker,
) -> None:
    log = await KafkaLog.connect(_settings(kafka_process.address, "outage."))
    await log.ensure_topics([NUMBERS])
    await log.append("Numbers", numbered(1))

    kafka_process.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(LogOutage):
            await log.append("Numbers", numbered(2))
    finally:
        kafka_process.process.send_signal(signal.SIGCONT)
    last = None
    while last is None:
        try:
            [last] = await log.append("Numbers", numbered(3))
        except LogOutage:
            continue

    reader = await log.tail("Numbers", {0: 0})
    values = [value_of(record) for record in await take(reader, last.offset + 1)]
    await reader.close()
    await log.close()
    # Whether the second is there is not known, but nothing else happened.
    assert values[0] == 1
    assert set(values[1:]) <= {2, 3}
    assert values[last.offset] == 3


async def test_a_broker_that_is_not_there_is_an_outage() -> None:
    with pytest.raises(LogOutage):
        await KafkaLog.connect(_settings(f"127.0.0.1:{free_port()}", ""))


async def test_topics_that_exist_keep_their_partitions(kafka_broker: str) -> None:
    first = await KafkaLog.connect(_settings(kafka_broker, "kept."))
    await first.ensure_topics([NUMBERS], {"Numbers": 3})
    await first.close()

    second = await KafkaLog.connect(_settings(kafka_broker, "kept."))
    await second.ensure_topics([NUMBERS, REJECTED])
    counts = (second.partition_count("Numbers"), second.partition_count("Rejected"))
    await second.close()

    assert counts == (3, 1)


async def test_the_epoch_of_the_settings_is_part_of_the_generation(kafka_broker: str) -> None:
    generations = set()
    for epoch in ("", "2"):
        settings = KafkaLogSettings(bootstrap_servers=[kafka_broker], epoch=epoch)
        log = await KafkaLog.connect(settings)
        generations.add(log.generation)
        await log.close()

    assert len(generations) == 2


async def test_a_closed_log_takes_nothing(kafka_broker: str) -> None:
    log = await KafkaLog.connect(_settings(kafka_broker, "closed."))
    await log.ensure_topics([NUMBERS])
    await log.append("Numbers", numbered(1))
    await log.close()
    await log.close()

    with pytest.raises(LogOutage):
        await log.append("Numbers", numbered(2))
