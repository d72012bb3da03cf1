"""The command line `xylem`."""

import argparse
import difflib
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NoReturn, Protocol, cast

from deploy.errors import StartRefused
from deploy.version import version

_CUT_SHORT: Final = 141
"""What a shell calls the end of a program that wrote where nobody reads."""

COMMANDS: Final = {
    "monolith": "run the whole server in this process",
    "run": "run some components of the server in this process",
    "generate-config": "write a commented configuration file",
    "generate-keys": "make the key with which the server signs",
    "create-account": "make an account, also an administrator's",
    "account": "show accounts, reset passwords, promote, lock and deactivate",
    "registration-token": "make, show and revoke tokens for registration",
    "topics": "create and check the topics on Kafka",
    "status": "show the processes, the topics, and how far consumers are",
    "cluster": "run a whole cluster on this machine, to try things out",
    "backup": "copy the data of a server, which may run meanwhile",
    "export-data": "write what the server holds of a user, as the user may see it",
    "rebuild": "make the tables of a reader again",
    "skip-lost": "let a component go on behind records that are lost",
    "rebind": "let the databases go on with a log that is new or was cut",
    "migrate": "bring the databases to this version's schema",
}

_ELSEWHERE: Final = {"cluster": "localcluster.command"}
"""Commands of what stands on all of `deploy`."""


class Command(Protocol):
    """What the module of a command offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit code. Raises `StartRefused`."""


class _Parser(argparse.ArgumentParser):
    """A parser that says what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and how to go on, and exit with code 2."""
        sys.stderr.write(f"{self.prog}: {message}\nTry: {self.prog} --help\n")
        sys.exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _Parser(
        prog="xylem",
        description="A Matrix homeserver built as writers and readers around append-only logs.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n"
        + "\n".join(f"  {name:<20}{text}" for name, text in COMMANDS.items())
        + "\n\nxylem COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"Xylem {version()}")
    parser.add_argument("command", metavar="COMMAND", help="what to do, see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    if not given:
        parser.error(f"say what to do: {', '.join(COMMANDS)}")
    parsed = parser.parse_args(given)
    if parsed.command not in COMMANDS:
        near = difflib.get_close_matches(parsed.command, COMMANDS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        parser.error(f"there is no command '{parsed.command}'.{hint}")
    return _run(parsed.command, parsed.arguments)


def _load(name: str) -> Command:
    """Import the command that runs, and no other: their libraries take time to load."""
    # What is imported stays: the collector is not to look through it for garbage, now or later.
    gc.disable()
    try:
        module = _ELSEWHERE.get(name, f"deploy.commands.{name.replace('-', '_')}")
        return cast(Command, import_module(module))
    finally:
        gc.freeze()
        gc.enable()


def _run(name: str, arguments: list[str]) -> int:
    command = _load(name)
    parser = _Parser(prog=f"xylem {name}", description=f"Xylem: {COMMANDS[name]}.")
    command.add_arguments(parser)
    try:
        code = command.run(parser.parse_args(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read what it prints, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CUT_SHORT
    except StartRefused as refused:
        sys.stderr.write(f"xylem: {refused.message}\n")
        if refused.advice:
            sys.stderr.write(f"  {refused.advice}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
