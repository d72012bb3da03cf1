"""The user API for commands that work beside a server, whether it runs or not."""

import argparse
import contextlib
import secrets
from collections.abc import AsyncIterator

from base.clock import SystemClock
from components.userapi import assembly as userapi
from components.userapi.settings import UserApiSettings
from deploy.errors import StartRefused
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.settings import Settings
from deploy.watching.readiness import Readiness
from matrix.errors import MatrixError
from matrix.identifiers import ServerName


@contextlib.asynccontextmanager
async def users_beside(settings: Settings) -> AsyncIterator[userapi.UserApi]:
    """Hold the user API over the server's database; nothing of it runs.

    What is refused ends the command with the reason. A running server announces what is changed.
    """
    readiness = Readiness(is_patient=False)
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            starting.database(DataDirectory(settings), userapi.SCHEMA, readiness, durable=True)
        )
        users = userapi.build(
            settings=settings.section(UserApiSettings),
            server_name=ServerName(settings.server_name),
            database=database,
            log=await stack.enter_async_context(starting.log_beside(settings, readiness)),
            clock=SystemClock(),
            random_bytes=secrets.token_bytes,
        )
        stack.callback(users.close)
        try:
            yield users
        except MatrixError as refused:
            raise StartRefused(refused.message) from refused


async def operate(settings: Settings, arguments: argparse.Namespace) -> None:
    """Do what the `action` of a command's arguments does with accounts and registration tokens."""
    async with users_beside(settings) as users:
        await arguments.action(users.operator, arguments)
