"""All tables of the user API."""

from typing import Final

import sqlalchemy as sa

from base.database import partial_index

METADATA: Final = sa.MetaData()


def _index_of_expiring(name: str) -> sa.Index:
    """Return an index of the rows that expire; most tokens never do."""
    expires = sa.text("expires_at_ms IS NOT NULL")
    return partial_index(name, "expires_at_ms", where=expires)


accounts: Final = sa.Table(
    "accounts",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("password_hash", sa.LargeBinary),
    sa.Column("is_guest", sa.Boolean, nullable=False),
    sa.Column("is_admin", sa.Boolean, nullable=False),
    sa.Column("user_type", sa.Text),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.Column("is_deactivated", sa.Boolean, nullable=False, default=False),
    sa.Column("is_erased", sa.Boolean, nullable=False, default=False),
    sa.Column("is_locked", sa.Boolean, nullable=False, default=False),
    sa.Column("is_suspended", sa.Boolean, nullable=False, default=False),
    # How many devices the user has had: the number of the newest one.
    sa.Column("devices_made", sa.BigInteger, nullable=False, server_default="0"),
)

# Deactivated users who may still be in rooms.
departing_users: Final = sa.Table(
    "departing_users",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
)

devices: Final = sa.Table(
    "devices",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("display_name", sa.Text),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.Column("last_seen_ms", sa.BigInteger, nullable=False),
    sa.Column("last_seen_address", sa.Text),
    sa.Column("last_seen_user_agent", sa.Text),
    # Those of versions that did not count them have 0.
    sa.Column("number", sa.BigInteger, nullable=False, server_default="0"),
    # Nobody is logged in on it; it has keys, and messages wait for it. A user has one at most.
    sa.Column("is_dehydrated", sa.Boolean, nullable=False, server_default=sa.text("false")),
)

# A token is kept as its SHA-256, so that a copy of the database lets nobody in.
access_tokens: Final = sa.Table(
    "access_tokens",
    METADATA,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("device_id", sa.Text, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger),
    # The refresh token that it was given for, which is valid until this one is used.
    sa.Column("replaces_hash", sa.LargeBinary),
    sa.Index("access_tokens_by_device", "user_id", "device_id"),
    _index_of_expiring("access_tokens_by_expiry"),
)

refresh_tokens: Final = sa.Table(
    "refresh_tokens",
    METADATA,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("device_id", sa.Text, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger),
    sa.Column("replaces_hash", sa.LargeBinary),
    sa.Index("refresh_tokens_by_device", "user_id", "device_id"),
    _index_of_expiring("refresh_tokens_by_expiry"),
)

# Tokens for one purpose each, apart from the client API: to log in by, to prove who one is.
special_tokens: Final = sa.Table(
    "special_tokens",
    METADATA,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=False, index=True),
    # The device that asked for it: it goes with it.
    sa.Column("device_id", sa.Text),
    sa.Index("special_tokens_by_user", "user_id"),
)

profile_fields: Final = sa.Table(
    "profile_fields",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)

# By which words a user is found. They are bytes, so that both databases order them alike and a
# prefix is a range of the index.
directory_words: Final = sa.Table(
    "directory_words",
    METADATA,
    sa.Column("word", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Index("directory_words_by_user", "user_id"),
)

account_data: Final = sa.Table(
    "account_data",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    # Empty for account data that belongs to no room.
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

filters: Final = sa.Table(
    "filters",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("filter_id", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
)

registration_token_uses: Final = sa.Table(
    "registration_token_uses",
    METADATA,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("uses", sa.Integer, nullable=False),
)

# Those that an operator made by command; the settings may name others.
registration_tokens: Final = sa.Table(
    "registration_tokens",
    METADATA,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("uses_allowed", sa.Integer),
    sa.Column("expires_at_ms", sa.BigInteger),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
)

interactive_sessions: Final = sa.Table(
    "interactive_sessions",
    METADATA,
    sa.Column("session_hash", sa.LargeBinary, primary_key=True),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("completed", sa.LargeBinary, nullable=False),
    sa.Column("registration_token", sa.Text),
    # The request that opened the session, which may hold a password: only who knows the session
    # can read it.
    sa.Column("sealed_parameters", sa.LargeBinary),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=False, index=True),
    # The user, or the network address, that opened it.
    sa.Column("opened_by", sa.Text, nullable=False, server_default=""),
    sa.Index("interactive_sessions_by_opener", "opened_by", "expires_at_ms"),
)

# What users have reported: `kind` is event, room or user.
reports: Final = sa.Table(
    "reports",
    METADATA,
    sa.Column(
        "report_id",
        # Only an INTEGER counts by itself in SQLite.
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
    ),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("room_id", sa.Text),
    sa.Column("event_id", sa.Text),
    # Who sent the event, or the user who is reported.
    sa.Column("sender", sa.Text),
    sa.Column("event_json", sa.LargeBinary),
    sa.Column("room_name", sa.Text),
    sa.Column("canonical_alias", sa.Text),
    sa.Index("reports_by_kind", "kind", "report_id"),
    sa.Index("reports_by_user", "user_id", "report_id"),
    sqlite_autoincrement=True,
)
