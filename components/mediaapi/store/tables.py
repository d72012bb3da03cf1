"""The tables of the media server."""

from typing import Final

import sqlalchemy as sa

from base.database import Connection, Schema, partial_index

METADATA: Final = sa.MetaData()

# The same bytes are kept once, whoever uploads them.
files: Final = sa.Table(
    "files",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sha256", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("size", sa.BigInteger, nullable=False),
)

media: Final = sa.Table(
    "media",
    METADATA,
    sa.Column("media_id", sa.Text, primary_key=True),
    # Null until it is uploaded.
    sa.Column("file", sa.Text, sa.ForeignKey("files.name")),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("upload_name", sa.Text),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    # Of what is not uploaded yet.
    sa.Column("expires_at_ms", sa.BigInteger),
    # Whether it may be downloaded without an access token.
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Index("media_by_file", "file"),
    sa.Index("media_by_user", "user_id", "created_at_ms"),
    partial_index(
        "pending_media",
        "user_id",
        "expires_at_ms",
        where=sa.text("file IS NULL"),
    ),
)

# The size of all that a user has uploaded.
usage: Final = sa.Table(
    "usage",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("bytes", sa.BigInteger, nullable=False),
)

# Bytes that nobody gets, whether a file has them now or will have them.
quarantined: Final = sa.Table(
    "quarantined", METADATA, sa.Column("sha256", sa.LargeBinary, primary_key=True)
)

# Files that no media has any more, until they are deleted.
removed_files: Final = sa.Table(
    "removed_files", METADATA, sa.Column("name", sa.Text, primary_key=True)
)

# What pages say of themselves.
previews: Final = sa.Table(
    "previews",
    METADATA,
    sa.Column("preview_id", sa.Text, primary_key=True),
    # A URL may be longer than an index takes.
    sa.Column("url_hash", sa.LargeBinary, nullable=False),
    # As clients get it.
    sa.Column("body", sa.LargeBinary, nullable=False),
    # The picture that goes with it.
    sa.Column("media_id", sa.Text),
    sa.Column("picture_bytes", sa.BigInteger, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
    sa.Index("previews_by_url", "url_hash", "expires_at_ms"),
    sa.Index("previews_by_expiry", "expires_at_ms"),
)


def _quarantine_bytes(connection: Connection) -> None:
    """Let quarantine outlive files, and forget when media was last downloaded.

    Before there was a release, tables of version 1 were also made without what nothing used yet.
    """
    run = connection.exec_driver_sql
    bytes_type = "BLOB" if connection.dialect.name == "sqlite" else "BYTEA"
    run(f"CREATE TABLE quarantined (sha256 {bytes_type} NOT NULL PRIMARY KEY)")
    columns = sa.inspect(connection).get_columns
    if any(column["name"] == "is_quarantined" for column in columns("files")):
        run("INSERT INTO quarantined SELECT sha256 FROM files WHERE is_quarantined")
        run("ALTER TABLE files DROP COLUMN is_quarantined")
    if any(column["name"] == "last_access_ms" for column in columns("media")):
        run("ALTER TABLE media DROP COLUMN last_access_ms")
    run("CREATE TABLE IF NOT EXISTS removed_files (name TEXT NOT NULL PRIMARY KEY)")
    run("CREATE INDEX IF NOT EXISTS media_by_file ON media (file)")
    run("CREATE INDEX IF NOT EXISTS media_by_user ON media (user_id, created_at_ms)")


def _keep_previews(connection: Connection) -> None:
    """Add the previews of URLs."""
    run = connection.exec_driver_sql
    bytes_type = "BLOB" if connection.dialect.name == "sqlite" else "BYTEA"
    run(
        "CREATE TABLE previews (preview_id TEXT NOT NULL PRIMARY KEY, "
        f"url_hash {bytes_type} NOT NULL, body {bytes_type} NOT NULL, media_id TEXT, "
        "picture_bytes BIGINT NOT NULL, created_at_ms BIGINT NOT NULL, "
        "expires_at_ms BIGINT NOT NULL)"
    )
    run("CREATE INDEX previews_by_url ON previews (url_hash, expires_at_ms)")
    run("CREATE INDEX previews_by_expiry ON previews (expires_at_ms)")


SCHEMA: Final = Schema("mediaapi", METADATA, (_quarantine_bytes, _keep_previews))
