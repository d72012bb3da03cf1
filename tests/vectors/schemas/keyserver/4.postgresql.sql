CREATE TABLE backed_up_keys (
	user_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	session_id TEXT NOT NULL,
	room_id TEXT NOT NULL,
	first_message_index BIGINT NOT NULL,
	forwarded_count BIGINT NOT NULL,
	is_verified BOOLEAN NOT NULL,
	session_data BYTEA NOT NULL,
	PRIMARY KEY (user_id, version, session_id, room_id)
);

CREATE INDEX backed_up_keys_by_room ON backed_up_keys (user_id, version, room_id, session_id);

CREATE TABLE backup_users (
	user_id TEXT NOT NULL,
	last_version BIGINT NOT NULL,
	is_ended BOOLEAN NOT NULL,
	PRIMARY KEY (user_id)
);

CREATE TABLE claimed_keys (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	place BIGINT NOT NULL,
	key_id TEXT NOT NULL,
	digest BYTEA NOT NULL,
	PRIMARY KEY (user_id, device_id, algorithm, place)
);

CREATE TABLE cross_signing_keys (
	user_id TEXT NOT NULL,
	usage TEXT NOT NULL,
	public_key TEXT NOT NULL,
	key BYTEA NOT NULL,
	PRIMARY KEY (user_id, usage)
);

CREATE TABLE dehydrated_devices (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	number BIGINT NOT NULL,
	device_data BYTEA NOT NULL,
	PRIMARY KEY (user_id)
);

CREATE TABLE deleted_backups (
	user_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	PRIMARY KEY (user_id, version)
);

CREATE TABLE fallback_keys (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	key_id TEXT NOT NULL,
	key BYTEA NOT NULL,
	is_used BOOLEAN NOT NULL,
	PRIMARY KEY (user_id, device_id, algorithm)
);

CREATE TABLE key_backups (
	user_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	algorithm TEXT NOT NULL,
	auth_data BYTEA NOT NULL,
	etag BIGINT NOT NULL,
	key_count BIGINT NOT NULL,
	PRIMARY KEY (user_id, version)
);

CREATE TABLE key_devices (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	number BIGINT NOT NULL,
	display_name TEXT,
	keys BYTEA,
	next_place BIGINT NOT NULL,
	PRIMARY KEY (user_id, device_id)
);

CREATE TABLE key_signatures (
	target_user_id TEXT NOT NULL,
	target_id TEXT NOT NULL,
	signer_id TEXT NOT NULL,
	key_id TEXT NOT NULL,
	signature TEXT NOT NULL,
	PRIMARY KEY (target_user_id, target_id, signer_id, key_id)
);

CREATE INDEX key_signatures_by_signer ON key_signatures (signer_id, key_id);

CREATE TABLE key_users (
	user_id TEXT NOT NULL,
	devices_told BIGINT NOT NULL,
	removals BIGINT NOT NULL,
	PRIMARY KEY (user_id)
);

CREATE TABLE one_time_keys (
	user_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	place BIGINT NOT NULL,
	key_id TEXT NOT NULL,
	key BYTEA NOT NULL,
	PRIMARY KEY (user_id, device_id, algorithm, place)
);

CREATE UNIQUE INDEX one_time_keys_by_id ON one_time_keys (user_id, device_id, algorithm, key_id);
