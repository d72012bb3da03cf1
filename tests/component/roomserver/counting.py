"""Counts what is read from the databases of a room server."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.component.heard_statements import heard_statements


@contextmanager
def counted_reads() -> Iterator[list[str]]:
    """Give a list that every statement that reads is put into."""
    statements: list[str] = []

    def note(statement: str) -> None:
        if statement.startswith(("SELECT", "WITH")):
            statements.append(statement)

    with heard_statements(note):
        yield statements
