CREATE TABLE consumer_outbox (
	consumer TEXT NOT NULL,
	topic TEXT NOT NULL,
	partition INTEGER NOT NULL,
	next_offset BIGINT NOT NULL,
	output BYTEA NOT NULL,
	PRIMARY KEY (consumer, topic, partition, next_offset)
);

CREATE TABLE consumer_positions (
	consumer TEXT NOT NULL,
	topic TEXT NOT NULL,
	partition INTEGER NOT NULL,
	next_offset BIGINT NOT NULL,
	progress BYTEA NOT NULL,
	PRIMARY KEY (consumer, topic, partition)
);
