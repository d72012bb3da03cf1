"""The media server goes on with a database of its first version."""

import hashlib
from pathlib import Path

import pytest
import sqlalchemy as sa

from base.database import Connection, Schema, open_database
from components.mediaapi.assembly import SCHEMA
from components.mediaapi.settings import UrlPreviewSettings
from tests.component.mediaapi.media_house import Deployment
from tests.contract.schemas.snapshots import make_tables
from tests.unit.base.guarded.sites import Names, open_site

DAY = "2026-11-29"
NOT_USED_YET = (
    "DROP INDEX media_by_file",
    "DROP INDEX media_by_user",
    "DROP TABLE removed_files",
    "ALTER TABLE media DROP COLUMN last_access_ms",
    "ALTER TABLE files DROP COLUMN is_quarantined",
)
"""What tables of version 1 were also made without, before there was a release."""


def keep_media(connection: Connection, name: str, body: bytes, *, is_quarantined: bool) -> None:
    """Keep media of alice whose ID is the name of its file."""
    file, sha256 = f"{DAY}/{name}", hashlib.sha256(body).digest()
    connection.execute(
        sa.text("INSERT INTO files VALUES (:file, :sha256, :size, :is_quarantined)"),
        {"file": file, "sha256": sha256, "size": len(body), "is_quarantined": is_quarantined},
    )
    connection.execute(
        sa.text(
            "INSERT INTO media VALUES "
            "(:name, :file, 'text/plain', NULL, '@alice:xylem.test', 1, NULL, false, 1)"
        ),
        {"name": name, "file": file},
    )


async def make_first_version(url: str, folder: Path, *, without: tuple[str, ...]) -> None:
    """Make a database and files as the first version left them, or as a shorter one did."""

    def make(connection: Connection) -> None:
        make_tables(connection, SCHEMA, 1)
        keep_media(connection, "kept", b"kept", is_quarantined=False)
        keep_media(connection, "bad", b"bad", is_quarantined=True)
        connection.exec_driver_sql(f"INSERT INTO removed_files VALUES ('{DAY}/removed')")
        for statement in without:
            connection.exec_driver_sql(statement)

    for name in ("kept", "bad", "removed"):
        (folder / "files" / DAY).mkdir(parents=True, exist_ok=True)
        (folder / "files" / DAY / name).write_bytes(name.encode())
    database = await open_database(url, Schema(SCHEMA.name, sa.MetaData()))
    await database.write(make)
    await database.close()


@pytest.mark.parametrize("without", [(), NOT_USED_YET], ids=["landed", "shorter"])
async def test_media_of_the_first_version_is_there_and_more_is_taken(
    database_url: str, tmp_path: Path, without: tuple[str, ...]
) -> None:
    await make_first_version(database_url, tmp_path / "media", without=without)

    async with Deployment(database_url, tmp_path / "media").start() as house:
        assert (await house.download("xylem.test/kept")).body == b"kept"
        added = await house.upload(b"added")
        assert (await house.download(added)).body == b"added"


@pytest.mark.parametrize("version", [1, 2])
async def test_previews_are_kept_in_a_database_of_before(
    database_url: str, tmp_path: Path, version: int
) -> None:
    older = Schema(SCHEMA.name, sa.MetaData(), SCHEMA.migrations[: version - 1])
    database = await open_database(database_url, older)
    await database.write(lambda connection: make_tables(connection, SCHEMA, version))
    await database.close()
    chosen = UrlPreviewSettings(enabled=True, allowed_networks=("127.0.0.1/32",))

    async with (
        open_site() as site,
        Deployment(database_url, tmp_path / "media").start(
            resolver=Names(), url_previews=chosen
        ) as house,
    ):
        url = site.set("/", b"<title>A page</title>")
        for _ in range(2):
            answer = await house.alice.get(f"/_matrix/client/v1/media/preview_url?url={url}")
            assert answer.json == {"og:title": "A page"}
        assert len(site.asked) == 1


async def test_what_was_quarantined_or_removed_in_the_first_version_stays_so(
    database_url: str, tmp_path: Path
) -> None:
    await make_first_version(database_url, tmp_path / "media", without=())

    async with Deployment(database_url, tmp_path / "media").start() as house:
        again = await house.upload(b"bad")
        await house.server.sweeping.sweep(before_ms=0)

        assert (await house.download("xylem.test/bad")).errcode == "M_NOT_FOUND"
        assert (await house.download(again)).errcode == "M_NOT_FOUND"
        assert [path.name for path in house.files()] == ["bad", "kept"]
