CREATE TABLE typing (
	room_id TEXT NOT NULL,
	partition INTEGER NOT NULL,
	typists BYTEA NOT NULL,
	PRIMARY KEY (room_id)
);

CREATE INDEX ix_typing_partition ON typing (partition);
