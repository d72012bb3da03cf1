"""`xylem create-account`: makes an account, whether the server runs or not."""

import argparse
import os
from pathlib import Path

from base.tasks import run as run_event_loop
from deploy.commands.beside import users_beside
from deploy.commands.passwords import add_password_argument, password_of
from deploy.errors import StartRefused
from deploy.settings import Settings
from deploy.settings.loading import load_settings
from matrix.errors import MatrixError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("user", metavar="USER", help="name, such as alice, or @alice:example.org")
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")
    parser.add_argument("--admin", action="store_true", help="make the user an administrator")
    add_password_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Create the account in the user API's database; a running server knows it at once."""
    settings = load_settings(arguments.config, os.environ)
    localpart = _localpart(arguments.user, settings.server_name)
    password = password_of(arguments)
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


async def _create(settings: Settings, localpart: str, password: str, *, is_admin: bool) -> str:
    async with users_beside(settings) as users:
        try:
            account = await users.accounts.perform_create_account(
                localpart=localpart, password=password, is_admin=is_admin, with_device=False
            )
        except MatrixError as error:
            raise StartRefused(f"The account cannot be made: {error.message}") from error
        return account.user_id
