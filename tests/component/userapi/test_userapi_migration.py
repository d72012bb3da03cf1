"""A database of an earlier version becomes one of this version."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import open_database
from components.userapi.component import SCHEMA
from logs.log import Log
from tests.component.userapi.userapi_server import V3, Deployment

_MADE_SINCE_VERSION_1 = (
    "DROP INDEX interactive_sessions_by_opener",
    "ALTER TABLE interactive_sessions DROP COLUMN opened_by",
    "ALTER TABLE special_tokens DROP COLUMN device_id",
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

        assert (registered.status, asked.status) == (200, 200)
