CREATE TABLE files (
	name TEXT NOT NULL,
	sha256 BYTEA NOT NULL,
	size BIGINT NOT NULL,
	PRIMARY KEY (name),
	UNIQUE (sha256)
);

CREATE TABLE previews (
	preview_id TEXT NOT NULL,
	url_hash BYTEA NOT NULL,
	body BYTEA NOT NULL,
	media_id TEXT,
	picture_bytes BIGINT NOT NULL,
	created_at_ms BIGINT NOT NULL,
	expires_at_ms BIGINT NOT NULL,
	PRIMARY KEY (preview_id)
);

CREATE INDEX previews_by_expiry ON previews (expires_at_ms);

CREATE INDEX previews_by_url ON previews (url_hash, expires_at_ms);

CREATE TABLE quarantined (
	sha256 BYTEA NOT NULL,
	PRIMARY KEY (sha256)
);

CREATE TABLE removed_files (
	name TEXT NOT NULL,
	PRIMARY KEY (name)
);

CREATE TABLE usage (
	user_id TEXT NOT NULL,
	bytes BIGINT NOT NULL,
	PRIMARY KEY (user_id)
);

CREATE TABLE media (
	media_id TEXT NOT NULL,
	file TEXT,
	content_type TEXT NOT NULL,
	upload_name TEXT,
	user_id TEXT NOT NULL,
	created_at_ms BIGINT NOT NULL,
	expires_at_ms BIGINT,
	is_open BOOLEAN NOT NULL,
	PRIMARY KEY (media_id),
	FOREIGN KEY(file) REFERENCES files (name)
);

CREATE INDEX media_by_file ON media (file);

CREATE INDEX media_by_user ON media (user_id, created_at_ms);

CREATE INDEX pending_media ON media (user_id, expires_at_ms) WHERE file IS NULL;
