"""`xylem export-data`: writes what the server holds of a user, for the user to have."""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from base.clock import SystemClock
from base.tasks import run as run_event_loop
from components.syncapi.component import COMPONENT as SYNCAPI
from components.syncapi.rooms.exporting import RoomsExport
from components.userapi.assembly import OperatorService
from deploy.commands.beside import users_beside
from deploy.commands.new_folder import new_folder
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.process.kept_tables import KEPT, serving_schema
from deploy.settings import Settings
from deploy.settings.loading import load_settings
from deploy.watching.readiness import Readiness

_JSON_LINES: Final = "jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Works beside a running server. Of each room, the folder has the state and all events "
        "that the user may read."
    )
    parser.add_argument("user", metavar="USER", help="such as alice, or @alice:example.org")
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="what to make; it must not be there yet"
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Write the folder."""
    settings = load_settings(arguments.config, os.environ)
    folder: Path = arguments.folder.resolve()
    with new_folder(folder) as unfinished:
        rooms, events = run_event_loop(_export(settings, arguments.user, unfinished))
    print(f"{folder} has the account, {rooms} rooms and {events} events of {arguments.user}.")
    return 0


async def _export(settings: Settings, user: str, folder: Path) -> tuple[int, int]:
    """Write all files; return how many rooms and events there are."""
    async with users_beside(settings) as users:
        user_id = await _write_account(users.operator, user, folder)
    directory, readiness = DataDirectory(settings), Readiness(is_patient=False)
    (kept,) = [kept for kept in KEPT if kept.component is SYNCAPI]
    schema = await readiness.wait_for(
        "The database of syncapi", lambda: serving_schema(kept, directory.database_url)
    )
    async with starting.database(directory, schema, readiness, may_migrate=False) as database:
        export = RoomsExport(database, user_id, SystemClock().now_ms())
        return await _write_rooms(export, folder)


async def _write_account(operator: OperatorService, user: str, folder: Path) -> str:
    account, devices = await operator.query_account(user)
    kept = await operator.query_kept(user)
    facts: dict[str, Any] = {
        "account": msgspec.to_builtins(account),
        "profile": {field: orjson.loads(value) for field, value in kept.profile.items()},
        "devices": msgspec.to_builtins(devices),
    }
    (folder / "account.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    data = [
        {"room_id": room_id or None, "type": kind, "content": orjson.loads(content)}
        for room_id, kind, content in kept.account_data
    ]
    (folder / f"account_data.{_JSON_LINES}").write_bytes(_lines(map(orjson.dumps, data)))
    return account.user_id


async def _write_rooms(export: RoomsExport, folder: Path) -> tuple[int, int]:
    rooms, events = await export.query_rooms(), 0
    listed = []
    for number, (room_id, membership) in enumerate(rooms.items(), 1):
        place = folder / "rooms" / str(number)
        place.mkdir(parents=True)
        listed.append({"folder": str(number), "room_id": room_id, "membership": membership})
        (place / "state.json").write_bytes(b"".join(await export.query_state(room_id)) or b"[]")
        with (place / f"events.{_JSON_LINES}").open("wb") as file:
            async for page in export.query_events(room_id):
                file.write(_lines(page))
                events += len(page)
    (folder / f"rooms.{_JSON_LINES}").write_bytes(_lines(map(orjson.dumps, listed)))
    return len(rooms), events


def _lines(records: Iterable[bytes]) -> bytes:
    return b"".join(record + b"\n" for record in records)
