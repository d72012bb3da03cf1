"""What a process does before its work: which modules it loads, and what it puts off."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
RECEIPTS_ALONE = """
import asyncio, sys
from pathlib import Path
from base.clock import SystemClock
from base.database import open_database
import deploy.commands.run
from deploy.catalogue import CATALOGUE
from deploy.wiring.ground import ProcessGround
from deploy.settings import Settings
from deploy.wiring.building import built
from logs.embedded import EmbeddedLog
from logs.topics import TOPICS

async def open_in_memory(schema, *, durable=False):
    return await open_database("sqlite://", schema)

async def main(folder):
    log = await EmbeddedLog.open(folder, dict.fromkeys(TOPICS, 1))
    ground = ProcessGround(Settings(), log, SystemClock(), open_in_memory)
    async with built(ground, CATALOGUE, ["receipts"]):
        pass
    await log.close()

asyncio.run(main(Path(sys.argv[1])))
described = ("announced", "component", "public_paths", "settings")
print(sorted(
    name for name in sys.modules
    if name.startswith("components.")
    and name.count(".") > 1
    and name.split(".")[1] != "receipts"
    and name.split(".")[2] not in described
))
"""
# For what operators call, for Kafka, for PostgreSQL, and for traces.
FOR_OTHERS = {"aiokafka", "asyncpg", "fastapi", "opentelemetry", "pydantic"}


def printed_by(script: str, *arguments: str) -> str:
    """Return what an interpreter prints that runs a script and nothing else."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("command", ["monolith", "run", "account"])
def test_a_command_loads_no_library_that_only_others_use(command: str) -> None:
    loaded = json.loads(
        printed_by(
            f"import deploy.commands.{command}, json, sys; print(json.dumps([*sys.modules]))"
        )
    )

    assert FOR_OTHERS.isdisjoint(loaded)
    # The HTTP client, which only those load who ask other processes, and what some requests need.
    assert {"aiohttp", "PIL", "prometheus_client"}.isdisjoint(loaded)


def test_a_process_loads_only_the_components_that_it_runs(tmp_path: Path) -> None:
    # Of others, what all processes know of them.
    assert printed_by(RECEIPTS_ALONE, str(tmp_path)) == "[]\n"


def test_help_loads_no_library() -> None:
    loaded = json.loads(
        printed_by(
            "import json, sys\n"
            "from deploy.cli import main\n"
            "try: main(['--version'])\n"
            "except SystemExit: print(json.dumps([*sys.modules]))"
        ).partition("\n")[2]
    )

    assert {"asyncio", "msgspec", "sqlalchemy", "uvicorn", "yaml"}.isdisjoint(loaded)


def test_statements_for_many_keys_are_built_when_they_first_run() -> None:
    parameters = int(
        printed_by(
            "import deploy.process.kept_tables, gc, sqlalchemy\n"
            "schemas = [*deploy.process.kept_tables.all_schemas()]\n"
            "import deploy.commands.account, components.syncapi.assembly\n"
            "print(sum(isinstance(one, sqlalchemy.BindParameter) for one in gc.get_objects()))"
        )
    )

    # One statement that takes 500 keys has as many.
    assert parameters < 1_000


def test_tables_and_statements_of_sqlite_load_nothing_of_postgresql() -> None:
    loaded = json.loads(
        printed_by(
            "import deploy.process.kept_tables, json, sys\n"
            "schemas = [*deploy.process.kept_tables.all_schemas()]\n"
            "import deploy.commands.account, components.syncapi.assembly\n"
            "print(json.dumps([*sys.modules]))"
        )
    )

    assert "sqlalchemy.dialects.sqlite" in loaded
    assert "sqlalchemy.dialects.postgresql" not in loaded


def test_what_is_imported_is_never_looked_through_for_garbage() -> None:
    before, after, spared = json.loads(
        printed_by(
            "import gc, json\n"
            "from deploy.cli import main\n"
            "def collections(): return [one['collections'] for one in gc.get_stats()[1:]]\n"
            "before = collections()\n"
            "try: main(['monolith', '--help'])\n"
            "except SystemExit: print(json.dumps([before, collections(), gc.get_freeze_count()]))"
        ).splitlines()[-1]
    )

    assert before == after
    assert spared > 50_000
