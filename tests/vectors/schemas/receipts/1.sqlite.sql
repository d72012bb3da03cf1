CREATE TABLE markers (
	room_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	receipt_type TEXT NOT NULL,
	thread_id TEXT NOT NULL,
	event_id TEXT NOT NULL,
	depth BIGINT NOT NULL,
	stream BIGINT,
	ts BIGINT NOT NULL,
	PRIMARY KEY (room_id, user_id, receipt_type, thread_id)
)
 WITHOUT ROWID;
