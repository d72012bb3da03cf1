"""All that a server keeps, as somebody reads it who gets its disk or its database."""

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

import asyncpg

Found = dict[str, set[str]]
"""What was looked for and found, by the place where it is."""
_ALL_TABLES: Final = """
    SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""


def found_in_files(folder: Path, words: Collection[str]) -> Found:
    """Return which words the files of a folder hold, by their paths, read byte by byte."""
    files = {str(one.relative_to(folder)): one for one in folder.rglob("*") if one.is_file()}
    return _without_empty({name: _held(_read(file), words) for name, file in files.items()})


def found_in_sqlite(folder: Path, words: Collection[str]) -> Found:
    """Return which words queries find in a folder of databases, by database and table."""
    found: Found = {}
    for file in sorted(folder.glob("*.db")):
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for [table] in names.fetchall():
                rows = connection.execute(f'SELECT * FROM "{table}"')
                found[f"{file.stem}.{table}"] = _held_by_rows(rows, words)
        finally:
            connection.close()
    return _without_empty(found)


async def found_in_postgres(url: str, words: Collection[str]) -> Found:
    """Return which words queries find in a database, by schema and table."""
    found: Found = {}
    connection = await asyncpg.connect(url)
    try:
        for schema, table in await connection.fetch(_ALL_TABLES):
            rows = await connection.fetch(f'SELECT * FROM "{schema}"."{table}"')
            found[f"{schema}.{table}"] = _held_by_rows(map(tuple, rows), words)
    finally:
        await connection.close()
    return _without_empty(found)


def _held_by_rows(rows: Iterable[Iterable[Any]], words: Collection[str]) -> set[str]:
    return {word for row in rows for value in row for word in _held(_as_bytes(value), words)}


def _held(data: bytes, words: Collection[str]) -> set[str]:
    return {word for word in words if word.encode() in data}


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # files of the log come and go
        return b""


def _without_empty(found: Found) -> Found:
    return {place: held for place, held in found.items() if held}
