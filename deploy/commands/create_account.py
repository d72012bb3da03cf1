"""`xylem create-account`: makes an account, whether the server runs or not."""

import argparse
import contextlib
import getpass
import os
import secrets
import sys
from pathlib import Path

from base.clock import SystemClock
from base.tasks import run as run_event_loop
from components.userapi import component as userapi
from deploy import starting
from deploy.configuration import load_settings
from deploy.data_directory import DataDirectory
from deploy.errors import StartRefused
from deploy.readiness import Readiness
from deploy.settings import Settings
from matrix.errors import MatrixError
from matrix.identifiers import ServerName


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("user", metavar="USER", help="name, such as alice, or @alice:example.org")
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")
    parser.add_argument("--admin", action="store_true", help="make the user an administrator")
    parser.add_argument(
        "--password",
        metavar="TEXT",
        help="the password, visible to others on this machine while the command runs; without "
        "it, the password is asked for, or read as a line from standard input",
    )


def run(arguments: argparse.Namespace) -> int:
    """Create the account in the user API's database; a running server knows it at once."""
    settings = load_settings(arguments.config, os.environ)
    localpart = _localpart(arguments.user, settings.server_name)
    password = _password() if arguments.password is None else arguments.password
    user_id = run_event_loop(_create(settings, localpart, password, is_admin=arguments.admin))
    print(f"Created {user_id}{', an administrator' if arguments.admin else ''}.")
    return 0


def _localpart(user: str, server_name: str) -> str:
    if not user.startswith("@"):
        return user
    localpart, _, server = user[1:].partition(":")
    if server != server_name:
        raise StartRefused(
            f"{user} is not a user of this server, whose name is {server_name}.",
            "Name the server's configuration file with --config.",
        )
    return localpart


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise StartRefused("The two passwords differ.")
    return password


async def _create(settings: Settings, localpart: str, password: str, *, is_admin: bool) -> str:
    readiness = Readiness(is_patient=False)
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            starting.database(DataDirectory(settings), userapi.SCHEMA, readiness, durable=True)
        )
        users = userapi.build(
            settings=settings.userapi,
            server_name=ServerName(settings.server_name),
            database=database,
            log=await stack.enter_async_context(starting.log_beside(settings, readiness)),
            clock=SystemClock(),
            random_bytes=secrets.token_bytes,
        )
        stack.callback(users.close)
        try:
            account = await users.accounts.perform_create_account(
                localpart=localpart, password=password, is_admin=is_admin, with_device=False
            )
        except MatrixError as error:
            raise StartRefused(f"The account cannot be made: {error.message}") from error
        return account.user_id
