"""How commands come by a password."""

import argparse
import getpass
import sys

from deploy.errors import StartRefused


def add_password_argument(parser: argparse.ArgumentParser) -> None:
    """Declare how a password can be given."""
    parser.add_argument(
        "--password",
        metavar="TEXT",
        help="the password, visible to others on this machine while the command runs; without "
        "it, the password is asked for, or read as a line from standard input",
    )


def password_of(arguments: argparse.Namespace) -> str:
    """Return the password that was given, or ask for it. Raises `StartRefused`."""
    if arguments.password is not None:
        return str(arguments.password)
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    try:
        password = getpass.getpass("Password: ")
        again = getpass.getpass("Again: ")
    except EOFError as error:
        raise StartRefused("No password was given.") from error
    if password != again:
        raise StartRefused("The two passwords differ.")
    return password
