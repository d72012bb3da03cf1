"""A database of an earlier version becomes one of this version."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import open_database
from components.userapi.assembly import SCHEMA
from logs.log import Log
from matrix.identifiers import UserID
from tests.component.userapi.userapi_server import V3, Deployment

_MADE_SINCE_VERSION_1 = (
    "DROP INDEX interactive_sessions_by_opener",
    "ALTER TABLE interactive_sessions DROP COLUMN opened_by",
    "ALTER TABLE special_tokens DROP COLUMN device_id",
    "DROP TABLE registration_tokens",
    "ALTER TABLE devices DROP COLUMN last_seen_user_agent",
    "DROP INDEX reports_by_user",
    "DROP INDEX access_tokens_by_expiry",
    "DROP INDEX refresh_tokens_by_expiry",
    "ALTER TABLE accounts DROP COLUMN devices_made",
    "ALTER TABLE devices DROP COLUMN number",
    "ALTER TABLE devices DROP COLUMN is_dehydrated",
    "DELETE FROM directory_words WHERE length(word) <> 5",
    "UPDATE schema_version SET version = 1",
)


def _back_to_version_1(connection: Connection) -> None:
    for statement in _MADE_SINCE_VERSION_1:
        connection.execute(sa.text(statement))


async def test_tables_of_version_1_become_those_of_this_version(
    deployment: Deployment, log: Log, database_url: str
) -> None:
    async with deployment.start(log) as server:
        alice = await server.user("alice")
        await server.api.profiles.perform_set_profile_field(
            user_id=UserID(alice.user_id), field="displayname", value="山田太郎"
        )
        opened = await server.client.post(f"{V3}/register", {"username": "bob"})
    old = await open_database(database_url, SCHEMA, durable=True)
    await old.write(_back_to_version_1)
    await old.close()

    async with deployment.start(log) as server:
        auth = {"type": "m.login.dummy", "session": opened.json["session"]}
        registered = await server.register("bob", auth=auth)
        asked = await server.client.as_user(alice.access_token).post(
            "/_matrix/client/v1/login/get_token", {"auth": alice.proof()}
        )

        found = await server.api.user_directory.query_users(
            searcher=UserID("@bob:xylem.test"), term="太郎", skipped=0, limit=2
        )

        assert (registered.status, asked.status) == (200, 200)
        assert [one.user_id for one in found.users] == [alice.user_id]
