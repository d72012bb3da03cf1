"""Topics, their typed records, positions and the consumer loop; on Kafka or embedded."""
