"""`xylem registration-token`: makes, shows and revokes the tokens by which people register."""

import argparse
import os
import re
from pathlib import Path
from typing import Final

from base.tasks import run as run_event_loop
from components.userapi.assembly import OperatorService
from components.userapi.settings import UserApiSettings
from deploy.commands.beside import operate
from deploy.commands.tables import table
from deploy.commands.times import shown_time
from deploy.settings.loading import load_settings

_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Tokens are asked for where the settings say `userapi.registration: token`. Those that "
        "the settings name are not shown here."
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a token")
    create.set_defaults(action=_create)
    create.add_argument("token", metavar="TOKEN", nargs="?", help="made up if left out")
    create.add_argument("--uses", metavar="N", type=_count, help="how many accounts; any number")
    create.add_argument(
        "--valid-for", metavar="TIME", type=_lifetime, help="such as 30m, 12h or 7d; for ever"
    )
    listing = actions.add_parser("list", help="show the tokens")
    listing.set_defaults(action=_list)
    revoke = actions.add_parser("revoke", help="make a token useless")
    revoke.set_defaults(action=_revoke)
    revoke.add_argument("token", metavar="TOKEN")
    for one in (create, listing, revoke):
        one.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    settings = load_settings(arguments.config, os.environ)
    run_event_loop(operate(settings, arguments))
    registration = settings.section(UserApiSettings).registration
    if registration != "token":
        print(f"No token is asked for: userapi.registration is {registration}.")
    return 0


async def _create(operator: OperatorService, arguments: argparse.Namespace) -> None:
    made = await operator.perform_create_registration_token(
        arguments.token, uses_allowed=arguments.uses, lifetime_s=arguments.valid_for
    )
    print(made.token)


async def _list(operator: OperatorService, _arguments: argparse.Namespace) -> None:
    rows = [
        (
            one.token.token,
            f"{one.uses} of {one.token.uses_allowed or 'any number'}",
            "for ever" if one.token.expires_at_ms is None else shown_time(one.token.expires_at_ms),
        )
        for one in await operator.query_registration_tokens()
    ]
    print(table([("token", "used", "valid until"), *rows]) if rows else "No tokens.")


async def _revoke(operator: OperatorService, arguments: argparse.Namespace) -> None:
    await operator.perform_revoke_registration_token(arguments.token)
    print(f"{arguments.token} is revoked.")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return int(text)


def _lifetime(text: str) -> int:
    """Return seconds."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError("a number of minutes, hours or days: 30m, 12h, 7d")
    return int(match[1]) * _UNITS[match[2]]
