"""The log on Kafka: the same promises as the embedded log, for many processes."""
