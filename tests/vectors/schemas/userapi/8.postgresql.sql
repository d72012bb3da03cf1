CREATE TABLE access_tokens (
	token_hash BYTEA NOT NULL,
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	expires_at_ms BIGINT,
	replaces_hash BYTEA,
	PRIMARY KEY (token_hash)
);

CREATE INDEX access_tokens_by_device ON access_tokens (user_id, device_id);

CREATE INDEX access_tokens_by_expiry ON access_tokens (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

CREATE TABLE account_data (
	user_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	type TEXT NOT NULL,
	content BYTEA NOT NULL,
	PRIMARY KEY (user_id, room_id, type)
);

CREATE TABLE accounts (
	user_id TEXT NOT NULL,
	password_hash BYTEA,
	is_guest BOOLEAN NOT NULL,
	is_admin BOOLEAN NOT NULL,
	user_type TEXT,
	created_at_ms BIGINT NOT NULL,
	is_deactivated BOOLEAN NOT NULL,
	is_erased BOOLEAN NOT NULL,
	is_locked BOOLEAN NOT NULL,
	is_suspended BOOLEAN NOT NULL,
	devices_made BIGINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (user_id)
);

CREATE TABLE departing_users (
	user_id TEXT NOT NULL,
	PRIMARY KEY (user_id)
);

CREATE TABLE devices (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	display_name TEXT,
	created_at_ms BIGINT NOT NULL,
	last_seen_ms BIGINT NOT NULL,
	last_seen_address TEXT,
	last_seen_user_agent TEXT,
	number BIGINT DEFAULT '0' NOT NULL,
	is_dehydrated BOOLEAN DEFAULT false NOT NULL,
	PRIMARY KEY (user_id, device_id)
);

CREATE TABLE directory_words (
	word BYTEA NOT NULL,
	user_id TEXT NOT NULL,
	PRIMARY KEY (word, user_id)
);

CREATE INDEX directory_words_by_user ON directory_words (user_id);

CREATE TABLE filters (
	user_id TEXT NOT NULL,
	filter_id TEXT NOT NULL,
	content BYTEA NOT NULL,
	created_at_ms BIGINT NOT NULL,
	PRIMARY KEY (user_id, filter_id)
);

CREATE TABLE interactive_sessions (
	session_hash BYTEA NOT NULL,
	operation TEXT NOT NULL,
	user_id TEXT,
	completed BYTEA NOT NULL,
	registration_token TEXT,
	sealed_parameters BYTEA,
	expires_at_ms BIGINT NOT NULL,
	opened_by TEXT DEFAULT '' NOT NULL,
	PRIMARY KEY (session_hash)
);

CREATE INDEX interactive_sessions_by_opener ON interactive_sessions (opened_by, expires_at_ms);

CREATE INDEX ix_interactive_sessions_expires_at_ms ON interactive_sessions (expires_at_ms);

CREATE TABLE profile_fields (
	user_id TEXT NOT NULL,
	field TEXT NOT NULL,
	value BYTEA NOT NULL,
	PRIMARY KEY (user_id, field)
);

CREATE TABLE refresh_tokens (
	token_hash BYTEA NOT NULL,
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	expires_at_ms BIGINT,
	replaces_hash BYTEA,
	PRIMARY KEY (token_hash)
);

CREATE INDEX refresh_tokens_by_device ON refresh_tokens (user_id, device_id);

CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

CREATE TABLE registration_token_uses (
	token TEXT NOT NULL,
	uses INTEGER NOT NULL,
	PRIMARY KEY (token)
);

CREATE TABLE registration_tokens (
	token TEXT NOT NULL,
	uses_allowed INTEGER,
	expires_at_ms BIGINT,
	created_at_ms BIGINT NOT NULL,
	PRIMARY KEY (token)
);

CREATE TABLE reports (
	report_id BIGSERIAL NOT NULL,
	received_ms BIGINT NOT NULL,
	kind TEXT NOT NULL,
	user_id TEXT NOT NULL,
	reason TEXT NOT NULL,
	room_id TEXT,
	event_id TEXT,
	sender TEXT,
	event_json BYTEA,
	room_name TEXT,
	canonical_alias TEXT,
	PRIMARY KEY (report_id)
);

CREATE INDEX reports_by_kind ON reports (kind, report_id);

CREATE INDEX reports_by_user ON reports (user_id, report_id);

CREATE TABLE special_tokens (
	token_hash BYTEA NOT NULL,
	purpose TEXT NOT NULL,
	user_id TEXT NOT NULL,
	expires_at_ms BIGINT NOT NULL,
	device_id TEXT,
	PRIMARY KEY (token_hash)
);

CREATE INDEX ix_special_tokens_expires_at_ms ON special_tokens (expires_at_ms);

CREATE INDEX special_tokens_by_user ON special_tokens (user_id);
