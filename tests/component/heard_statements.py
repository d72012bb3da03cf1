"""Hears what databases are asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

_OF_TRANSACTIONS: Final = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")


@contextmanager
def heard_statements(note: Callable[[str], None]) -> Iterator[None]:
    """Let `note` hear of each statement in transactions that begin meanwhile.

    It is called in the thread in which the statement runs.
    """
    heard: list[Any] = []

    def hear(statement: str) -> None:
        if not statement.startswith(_OF_TRANSACTIONS):
            note(statement)

    def begin(connection: Any) -> None:
        # SQLite's driver is asked past SQLAlchemy.
        if connection.dialect.name == "sqlite":
            driver = connection.connection.driver_connection
            driver.set_trace_callback(hear)
            heard.append(driver)

    def execute(connection: Any, _cursor: object, statement: str, *_more: object) -> None:
        if connection.dialect.name != "sqlite":
            hear(statement)

    sa.event.listen(sa.Engine, "begin", begin)
    sa.event.listen(sa.Engine, "before_cursor_execute", execute)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "begin", begin)
        sa.event.remove(sa.Engine, "before_cursor_execute", execute)
        for driver in heard:
            driver.set_trace_callback(None)
