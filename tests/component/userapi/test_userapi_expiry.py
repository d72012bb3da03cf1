"""Sessions and tokens that have expired are deleted by themselves."""

from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from base.clock import ManualClock
from base.database import open_database
from components.userapi.assembly import SCHEMA
from components.userapi.expiry import Expiry
from components.userapi.store.expired import delete_expired
from components.userapi.store.tables import interactive_sessions, special_tokens


def counts(connection: Connection) -> list[int]:
    return [
        connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() or 0
        for table in ("interactive_sessions", "special_tokens")
    ]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    is_postgres = request.param == "postgres"
    return request.getfixturevalue("postgres_url") if is_postgres else f"sqlite:///{tmp_path}"


async def test_what_has_expired_goes_a_few_rows_at_a_time(database_url: str) -> None:
    clock = ManualClock()
    database = await open_database(database_url, SCHEMA, durable=True)
    now_ms = clock.now_ms()

    def fill(connection: Connection) -> None:
        for number in range(1100):
            expires_at_ms = now_ms + (0 if number < 1050 else 1)
            connection.execute(
                interactive_sessions.insert().values(
                    session_hash=b"%d" % number,
                    operation="register",
                    completed=b"[]",
                    expires_at_ms=expires_at_ms,
                )
            )
            connection.execute(
                special_tokens.insert().values(
                    token_hash=b"%d" % number,
                    purpose="login",
                    user_id="@alice:xylem.test",
                    expires_at_ms=expires_at_ms,
                )
            )

    await database.write(fill)
    is_more = await database.write(
        lambda connection: delete_expired(connection, special_tokens, now_ms)
    )
    after_a_step = await database.read(counts)
    await Expiry(database, clock).delete_expired()
    after_all = await database.read(counts)
    await database.close()

    assert (is_more, after_a_step, after_all) == (True, [1100, 600], [50, 50])
