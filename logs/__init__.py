"""Topics, their typed records, positions, and the consumer loop, over Kafka or one embedded file."""
