"""The log on Kafka: the same promises as the embedded log, for many processes."""

from logs.kafka.log import KafkaLog
from logs.kafka.settings import KafkaLogSettings

__all__ = ["KafkaLog", "KafkaLogSettings"]
