CREATE TABLE aliases (
	alias TEXT NOT NULL,
	room_id TEXT NOT NULL,
	creator TEXT NOT NULL,
	PRIMARY KEY (alias)
);

CREATE INDEX ix_aliases_creator ON aliases (creator);

CREATE INDEX ix_aliases_room_id ON aliases (room_id);

CREATE TABLE auth_edges (
	event_id TEXT NOT NULL,
	auth_event_id TEXT NOT NULL,
	PRIMARY KEY (event_id, auth_event_id)
)
 WITHOUT ROWID;

CREATE TABLE events (
	event_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	version TEXT NOT NULL,
	flags SMALLINT NOT NULL,
	raw BLOB NOT NULL,
	state_before BLOB,
	state_after BLOB,
	redacted_because TEXT,
	reason TEXT,
	place BIGINT,
	changes BLOB,
	PRIMARY KEY (event_id)
);

CREATE INDEX announced_events ON events (room_id, place) WHERE place IS NOT NULL;

CREATE TABLE forgotten (
	room_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	place BIGINT NOT NULL,
	PRIMARY KEY (room_id, user_id)
)
 WITHOUT ROWID;

CREATE INDEX forgotten_in_order ON forgotten (room_id, place);

CREATE TABLE given_states (
	event_id TEXT NOT NULL,
	state BLOB NOT NULL,
	is_complete BOOLEAN NOT NULL,
	PRIMARY KEY (event_id)
);

CREATE TABLE memberships (
	room_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	membership TEXT NOT NULL,
	event_id TEXT NOT NULL,
	PRIMARY KEY (room_id, user_id)
)
 WITHOUT ROWID;

CREATE INDEX memberships_by_user ON memberships (user_id, membership);

CREATE TABLE rooms (
	room_id TEXT NOT NULL,
	version TEXT NOT NULL,
	create_event_id TEXT NOT NULL,
	state BLOB NOT NULL,
	latest BLOB NOT NULL,
	last_place BIGINT NOT NULL,
	is_published BOOLEAN NOT NULL,
	PRIMARY KEY (room_id)
);

CREATE INDEX published_rooms ON rooms (room_id) WHERE is_published = 1;

CREATE TABLE state_nodes (
	name BLOB NOT NULL,
	node BLOB NOT NULL,
	PRIMARY KEY (name)
)
 WITHOUT ROWID;

CREATE TABLE transactions (
	transaction_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	event_id TEXT NOT NULL,
	timestamp_ms BIGINT NOT NULL,
	PRIMARY KEY (transaction_id, user_id, device_id)
)
 WITHOUT ROWID;

CREATE TABLE waiting_redactions (
	target_event_id TEXT NOT NULL,
	redaction_event_id TEXT NOT NULL,
	PRIMARY KEY (target_event_id, redaction_event_id)
)
 WITHOUT ROWID;
