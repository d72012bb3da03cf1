"""The tables of the media server."""

from typing import Final

import sqlalchemy as sa

from base.database import Schema

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
    sa.Index(
        "pending_media",
        "user_id",
        "expires_at_ms",
        sqlite_where=sa.text("file IS NULL"),
        postgresql_where=sa.text("file IS NULL"),
    ),
)

# The size of all that a user has uploaded.
usage: Final = sa.Table(
    "usage",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("bytes", sa.BigInteger, nullable=False),
)

SCHEMA: Final = Schema("mediaapi", METADATA)
