"""The tables of the user API, and how those of older versions become these."""

from typing import Final

from base.database import Connection, Schema
from components.userapi.store.directory import index_all
from components.userapi.store.tables import METADATA
from logs.announcing.tables import ANNOUNCING_SCHEMA


def _add_devices_and_openers(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE special_tokens ADD COLUMN device_id TEXT")
    connection.exec_driver_sql(
        "ALTER TABLE interactive_sessions ADD COLUMN opened_by TEXT DEFAULT '' NOT NULL"
    )
    connection.exec_driver_sql(
        "CREATE INDEX interactive_sessions_by_opener "
        "ON interactive_sessions (opened_by, expires_at_ms)"
    )


def _add_registration_tokens(connection: Connection) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE registration_tokens (token TEXT NOT NULL PRIMARY KEY, uses_allowed INTEGER, "
        "expires_at_ms BIGINT, created_at_ms BIGINT NOT NULL)"
    )


def _add_user_agents_and_words(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE devices ADD COLUMN last_seen_user_agent TEXT")
    index_all(connection)


def _index_reporters(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE INDEX reports_by_user ON reports (user_id, report_id)")


def _index_expiring_tokens(connection: Connection) -> None:
    for table in ("access_tokens", "refresh_tokens"):
        connection.exec_driver_sql(
            f"CREATE INDEX {table}_by_expiry ON {table} (expires_at_ms) "
            "WHERE expires_at_ms IS NOT NULL"
        )


def _number_devices(connection: Connection) -> None:
    for table, column in (("accounts", "devices_made"), ("devices", "number")):
        connection.exec_driver_sql(
            f"ALTER TABLE {table} ADD COLUMN {column} BIGINT DEFAULT '0' NOT NULL"
        )


def _mark_dehydrated_devices(connection: Connection) -> None:
    connection.exec_driver_sql(
        "ALTER TABLE devices ADD COLUMN is_dehydrated BOOLEAN DEFAULT false NOT NULL"
    )


SCHEMA: Final = Schema(
    "userapi",
    METADATA,
    (
        _add_devices_and_openers,
        _add_registration_tokens,
        _add_user_agents_and_words,
        _index_reporters,
        _index_expiring_tokens,
        _number_devices,
        _mark_dehydrated_devices,
    ),
    parts=(ANNOUNCING_SCHEMA,),
)
