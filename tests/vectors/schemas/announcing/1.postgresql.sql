CREATE TABLE outgoing (
	partition INTEGER NOT NULL,
	sequence BIGINT NOT NULL,
	key TEXT NOT NULL,
	value BYTEA NOT NULL,
	PRIMARY KEY (partition, sequence)
);

CREATE TABLE outgoing_sequences (
	partition INTEGER NOT NULL,
	next_sequence BIGINT NOT NULL,
	PRIMARY KEY (partition)
);
