CREATE TABLE account_data (
	user_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	type TEXT NOT NULL,
	stream_order BIGINT NOT NULL,
	content BYTEA NOT NULL,
	PRIMARY KEY (user_id, room_id, type)
);

CREATE TABLE current_state (
	room_id TEXT NOT NULL,
	type TEXT NOT NULL,
	state_key TEXT NOT NULL,
	event_id TEXT NOT NULL,
	PRIMARY KEY (room_id, type, state_key)
);

CREATE TABLE erasures (
	user_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	erased_at BIGINT NOT NULL,
	PRIMARY KEY (user_id, room_id)
);

CREATE TABLE events (
	event_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	stream_order BIGINT,
	type TEXT NOT NULL,
	sender TEXT NOT NULL,
	state_key TEXT,
	origin_server_ts BIGINT NOT NULL,
	history_visibility TEXT NOT NULL,
	json BYTEA NOT NULL,
	unsigned BYTEA NOT NULL,
	membership TEXT,
	replaces TEXT,
	state_effect SMALLINT NOT NULL,
	device_id TEXT,
	transaction_id TEXT,
	push_class SMALLINT NOT NULL,
	thread_root TEXT,
	PRIMARY KEY (event_id)
);

CREATE INDEX events_by_time ON events (room_id, origin_server_ts);

CREATE INDEX events_of_room ON events (room_id, stream_order, thread_root, push_class, sender);

CREATE INDEX events_that_replace ON events (replaces) WHERE replaces IS NOT NULL;

CREATE INDEX unread_in_threads ON events (room_id, stream_order, thread_root, push_class, sender) WHERE push_class != 0 AND thread_root IS NOT NULL;

CREATE TABLE forgotten_rooms (
	user_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	stream_order BIGINT NOT NULL,
	PRIMARY KEY (user_id, room_id)
);

CREATE TABLE invites (
	user_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	event_id TEXT NOT NULL,
	invite_state BYTEA NOT NULL,
	PRIMARY KEY (user_id, room_id)
);

CREATE TABLE key_changes (
	partition INTEGER NOT NULL,
	stream_order BIGINT NOT NULL,
	user_id TEXT NOT NULL,
	told_to TEXT NOT NULL,
	PRIMARY KEY (partition, stream_order, user_id)
);

CREATE TABLE key_counts (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	stream_order BIGINT NOT NULL,
	one_time_keys BYTEA NOT NULL,
	unused_fallback_types BYTEA NOT NULL,
	PRIMARY KEY (user_id, device_id)
);

CREATE TABLE membership_changes (
	user_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	stream_order BIGINT NOT NULL,
	membership TEXT NOT NULL,
	PRIMARY KEY (user_id, room_id, stream_order)
);

CREATE TABLE memberships (
	user_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	membership TEXT NOT NULL,
	stream_order BIGINT NOT NULL,
	event_id TEXT NOT NULL,
	PRIMARY KEY (user_id, room_id)
);

CREATE INDEX members_of_room ON memberships (room_id, membership, stream_order);

CREATE TABLE mentions (
	room_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	stream_order BIGINT NOT NULL,
	event_id TEXT NOT NULL,
	sender TEXT NOT NULL,
	push_class SMALLINT NOT NULL,
	thread_root TEXT,
	PRIMARY KEY (room_id, user_id, stream_order)
);

CREATE INDEX mentions_of_event ON mentions (event_id);

CREATE TABLE rebuilt_rooms (
	room_id TEXT NOT NULL,
	covered_upto BIGINT NOT NULL,
	PRIMARY KEY (room_id)
);

CREATE TABLE receipts (
	room_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	receipt_type TEXT NOT NULL,
	thread_id TEXT NOT NULL,
	event_id TEXT NOT NULL,
	ts BIGINT NOT NULL,
	stream_order BIGINT NOT NULL,
	PRIMARY KEY (room_id, user_id, receipt_type, thread_id)
);

CREATE INDEX receipts_of_room ON receipts (room_id, stream_order);

CREATE TABLE relation_groups (
	room_id TEXT NOT NULL,
	parent_id TEXT NOT NULL,
	rel_type TEXT NOT NULL,
	children BIGINT NOT NULL,
	latest_order BIGINT NOT NULL,
	oldest_order BIGINT NOT NULL,
	is_restricted SMALLINT NOT NULL,
	PRIMARY KEY (room_id, parent_id, rel_type)
);

CREATE INDEX threads_of_room ON relation_groups (room_id, latest_order) WHERE rel_type = 'm.thread';

CREATE TABLE relations (
	event_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	parent_id TEXT NOT NULL,
	grandparent_id TEXT,
	great_grandparent_id TEXT,
	rel_type TEXT NOT NULL,
	type TEXT NOT NULL,
	sender TEXT NOT NULL,
	stream_order BIGINT NOT NULL,
	is_restricted SMALLINT NOT NULL,
	edit_rank BYTEA,
	annotation BYTEA,
	PRIMARY KEY (event_id)
);

CREATE INDEX annotations ON relations (parent_id, sender, annotation) WHERE annotation IS NOT NULL;

CREATE INDEX edits ON relations (parent_id, room_id, sender, type, edit_rank) WHERE edit_rank IS NOT NULL;

CREATE INDEX relations_of_grandparent ON relations (grandparent_id, room_id, stream_order) WHERE grandparent_id IS NOT NULL;

CREATE INDEX relations_of_great_grandparent ON relations (great_grandparent_id, room_id, stream_order) WHERE great_grandparent_id IS NOT NULL;

CREATE INDEX relations_of_kind ON relations (parent_id, rel_type, room_id, stream_order);

CREATE INDEX relations_of_parent ON relations (room_id, parent_id, stream_order);

CREATE INDEX thread_events_of_sender ON relations (parent_id, room_id, sender, stream_order) WHERE rel_type = 'm.thread';

CREATE TABLE removed_devices (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	removed_up_to BIGINT NOT NULL,
	removed_ms BIGINT NOT NULL,
	PRIMARY KEY (user_id, device_id)
);

CREATE INDEX removed_devices_by_time ON removed_devices (removed_ms);

CREATE TABLE state_changes (
	room_id TEXT NOT NULL,
	stream_order BIGINT NOT NULL,
	type TEXT NOT NULL,
	state_key TEXT NOT NULL,
	event_id TEXT,
	replaces TEXT,
	PRIMARY KEY (room_id, stream_order, type, state_key)
);

CREATE TABLE thread_senders (
	room_id TEXT NOT NULL,
	parent_id TEXT NOT NULL,
	sender TEXT NOT NULL,
	children BIGINT NOT NULL,
	latest_order BIGINT NOT NULL,
	PRIMARY KEY (room_id, parent_id, sender)
);

CREATE INDEX latest_thread_senders ON thread_senders (room_id, parent_id, latest_order);

CREATE TABLE to_device_messages (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	device_number BIGINT NOT NULL,
	stream_order BIGINT NOT NULL,
	event BYTEA NOT NULL,
	PRIMARY KEY (user_id, device_id, device_number, stream_order)
);

CREATE TABLE to_device_requests (
	request_hash BYTEA NOT NULL,
	stream_order BIGINT NOT NULL,
	sent_ms BIGINT NOT NULL,
	PRIMARY KEY (request_hash)
);

CREATE INDEX to_device_requests_by_time ON to_device_requests (sent_ms);
