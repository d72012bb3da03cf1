"""`xylem account`: shows and changes accounts, whether the server runs or not."""

import argparse
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from base.tasks import run as run_event_loop
from components.userapi.assembly import AccountFacts, OperatorService
from deploy.commands.beside import operate
from deploy.commands.passwords import add_password_argument, password_of
from deploy.commands.tables import table
from deploy.commands.times import shown_time
from deploy.settings.loading import load_settings

_Action = Callable[[OperatorService, argparse.Namespace], Coroutine[Any, Any, None]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "A server that runs beside knows of every change within seconds."
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, (action, text, takes_user) in _ACTIONS.items():
        one = actions.add_parser(name, help=text, description=f"Xylem: {text}.")
        one.set_defaults(action=action)
        if takes_user:
            one.add_argument("user", metavar="USER", help="such as alice, or @alice:example.org")
        one.add_argument("--config", metavar="FILE", type=Path, help="configuration file")
        if name == "reset-password":
            add_password_argument(one)
            one.add_argument(
                "--keep-devices", action="store_true", help="leave the user's devices signed in"
            )
        if name == "deactivate":
            one.add_argument(
                "--erase", action="store_true", help="hide the user's messages and profile as well"
            )


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    run_event_loop(operate(load_settings(arguments.config, os.environ), arguments))
    return 0


async def _list(operator: OperatorService, _arguments: argparse.Namespace) -> None:
    rows = [
        (one.user_id, _state(one), shown_time(one.created_at_ms), shown_time(one.last_seen_ms))
        async for one in operator.query_accounts()
    ]
    print(table([("user", "state", "created", "last seen"), *rows]))


async def _show(operator: OperatorService, arguments: argparse.Namespace) -> None:
    account, devices = await operator.query_account(arguments.user)
    print(f"{account.user_id}: {_state(account)}, created {shown_time(account.created_at_ms)}")
    rows = [
        (
            device.device_id,
            device.display_name or "",
            shown_time(device.last_seen_ms),
            "dehydrated" if device.is_dehydrated else device.last_seen_address or "",
        )
        for device in devices
    ]
    print(table([("device", "name", "last seen", "from"), *rows]) if rows else "No devices.")


async def _reset_password(operator: OperatorService, arguments: argparse.Namespace) -> None:
    account, _ = await operator.query_account(arguments.user)
    keeps = arguments.keep_devices
    await operator.perform_reset_password(account.user_id, password_of(arguments), logout=not keeps)
    print(
        f"{account.user_id} has a new password; "
        f"{'the devices stay signed in' if keeps else 'all devices are signed out'}."
    )


async def _deactivate(operator: OperatorService, arguments: argparse.Namespace) -> None:
    await operator.perform_deactivate(arguments.user, erase=arguments.erase)
    print(f"{arguments.user} is deactivated; a running server takes the user out of all rooms.")


def _setting(what: str, *, is_admin: bool | None = None, is_locked: bool | None = None) -> _Action:
    """Return the action that sets what an account is."""

    async def action(operator: OperatorService, arguments: argparse.Namespace) -> None:
        user = arguments.user
        is_new = await operator.perform_set_status(user, is_admin=is_admin, is_locked=is_locked)
        print(f"{user} is {what} now." if is_new else f"{user} is {what} already.")

    return action


def _state(account: AccountFacts) -> str:
    if account.is_deactivated:
        return "deactivated"
    words = {
        "administrator": account.is_admin,
        "guest": account.is_guest,
        "locked": account.is_locked,
        "suspended": account.is_suspended,
    }
    return ", ".join(word for word, holds in words.items() if holds) or "user"


_ACTIONS: Final[dict[str, tuple[_Action, str, bool]]] = {
    "list": (_list, "show all accounts", False),
    "show": (_show, "show an account and its devices", True),
    "reset-password": (_reset_password, "give an account a new password", True),
    "promote": (_setting("an administrator", is_admin=True), "make an administrator", True),
    "demote": (_setting("no administrator", is_admin=False), "take that back", True),
    "lock": (_setting("locked", is_locked=True), "keep a user out until unlocked", True),
    "unlock": (_setting("not locked", is_locked=False), "let the user in again", True),
    "deactivate": (_deactivate, "end an account for good", True),
}
