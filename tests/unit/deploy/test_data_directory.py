"""The data directory is its owner's alone, and of one server for ever."""

import asyncio
import logging
import os
import stat
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from base.database import Schema
from deploy.errors import StartRefused
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.settings import Settings
from deploy.watching.readiness import Readiness

METADATA = sa.MetaData()
sa.Table("things", METADATA, sa.Column("name", sa.Text))
SCHEMA = Schema("sample", METADATA)


def directory(path: Path, server_name: str = "example.org") -> DataDirectory:
    return DataDirectory(Settings(server_name=server_name, data_dir=str(path)))


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def open_once(held: DataDirectory, *, may_migrate: bool = True) -> None:
    readiness = Readiness(is_patient=False)
    async with starting.database(held, SCHEMA, readiness, may_migrate=may_migrate):
        pass


@pytest.fixture
def databases(tmp_path: Path) -> Path:
    return tmp_path / "data" / "databases"


async def test_new_data_are_their_owners_alone(tmp_path: Path, databases: Path) -> None:
    readiness = Readiness(is_patient=False)
    async with starting.database(directory(tmp_path / "data"), SCHEMA, readiness):
        files = await asyncio.to_thread(
            lambda: {file.name: rights(file) for file in databases.iterdir()}
        )

    assert rights(tmp_path / "data") == rights(databases) == 0o700
    assert files == {"sample.db": 0o600, "sample.db-wal": 0o600, "sample.db-shm": 0o600}


async def test_data_that_others_could_read_are_closed_to_them(
    tmp_path: Path, databases: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await open_once(directory(tmp_path / "data"))
    (databases / "sample.db").chmod(0o644)
    (tmp_path / "data").chmod(0o755)

    with caplog.at_level(logging.WARNING):
        await open_once(directory(tmp_path / "data"))

    assert rights(databases / "sample.db") == 0o640
    assert rights(tmp_path / "data") == 0o750
    assert caplog.messages == ["Closed the data directory to other users"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes folders of other users")
def test_a_directory_of_somebody_else_that_all_may_enter_is_refused() -> None:
    # Not below the folders of pytest, which nobody else may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        os.seteuid(12345)
        try:
            with pytest.raises(StartRefused, match="Every user of this machine") as told:
                directory(Path(folder)).make()
        finally:
            os.seteuid(0)

    assert told.value.advice.endswith(f"chmod o= {folder}")


@pytest.mark.parametrize("may_migrate", [True, False])
async def test_a_server_cannot_be_renamed(tmp_path: Path, *, may_migrate: bool) -> None:
    await open_once(directory(tmp_path, "old.example"))

    with pytest.raises(StartRefused, match=r"the server old\.example, not of new\.example") as told:
        await open_once(directory(tmp_path, "new.example"), may_migrate=may_migrate)

    assert "set server_name to what it was" in told.value.advice
    await open_once(directory(tmp_path, "old.example"), may_migrate=may_migrate)
