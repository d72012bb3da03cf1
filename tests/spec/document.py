"""The facts of the specification that answers are held to, as they lie in tests/vectors."""

from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import jsonschema_rs
import orjson

from tests.spec.exceptions import correct

FILE: Final = Path(__file__).parents[1] / "vectors" / "client_server_api.json"

_VERSION_SEGMENT: Final = 3
_VERSIONED: Final = ("/_matrix/client/", "/_matrix/media/")
_OLD_VERSIONS: Final = frozenset({"r0", "v1"})
"""Versions under which what is now v3 was answered, and may be still."""
_STATE_KEY: Final = "/{stateKey}"
"""May be left out with its slash where it is empty."""


class Operation(NamedTuple):
    """A method of a path, and what the specification says of it."""

    method: str
    path: str
    """With parameters in braces."""
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """How it is called in messages and lists."""
        return f"{self.method} {self.path}"

    @property
    def spellings(self) -> tuple[str, ...]:
        """The path, and how it may be written besides."""
        if self.path.endswith(_STATE_KEY):
            return self.path, self.path.removesuffix(_STATE_KEY)
        # Clients call /pushrules/ without the slash as well.
        return (self.path, self.path.removesuffix("/")) if self.path.endswith("/") else (self.path,)


class Document:
    """The client-server API: which operation a request means, and what may be answered."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.version: str = document["info"]["version"]
        self.operations: Final = [
            Operation(method.upper(), path, facts)
            for path, item in document["paths"].items()
            for method, facts in item.items()
        ]
        self._root = _Node()
        for operation in self.operations:
            for path in operation.spellings:
                self._root.insert(path.split("/"), operation)
        self._validators: dict[tuple[str, str, str], jsonschema_rs.Validator] = {}

    def find(self, path: str) -> dict[str, Operation]:
        """Return the operations of a path, as it was sent, by method."""
        segments = path.split("/")
        found = self._root.find(segments)
        if not found and path.startswith(_VERSIONED) and segments[3] in _OLD_VERSIONS:
            segments[_VERSION_SEGMENT] = "v3"
            found = self._root.find(segments)
        return found

    def validator(self, operation: Operation, status: str, kind: str) -> jsonschema_rs.Validator:
        """Return what checks the bodies of these answers."""
        key = operation.name, status, kind
        validator = self._validators.get(key)
        if validator is None:
            schema = operation.facts["responses"][status]["content"][kind]["schema"]
            # References lead to where the named schemas are in the document.
            components = {"components": self.document["components"]}
            validator = jsonschema_rs.Draft202012Validator(
                {"allOf": [schema], **components}, validate_formats=True
            )
            self._validators[key] = validator
        return validator


class _Node:
    """What may follow one prefix of path segments."""

    def __init__(self) -> None:
        self._literals: dict[str, _Node] = {}
        self._parameter: _Node | None = None
        self._operations: dict[str, Operation] = {}

    def insert(self, segments: list[str], operation: Operation) -> None:
        if not segments:
            self._operations[operation.method] = operation
        elif segments[0].startswith("{"):
            self._parameter = self._parameter or _Node()
            self._parameter.insert(segments[1:], operation)
        else:
            self._literals.setdefault(segments[0], _Node()).insert(segments[1:], operation)

    def find(self, segments: list[str]) -> dict[str, Operation]:
        if not segments:
            return self._operations
        literal = self._literals.get(segments[0])
        found = {} if literal is None else literal.find(segments[1:])
        if not found and self._parameter is not None:
            found = self._parameter.find(segments[1:])
        return found


@cache
def client_server_api() -> Document:
    """Return the client-server API; read once, when it is needed first."""
    document = orjson.loads(FILE.read_bytes())
    correct(document)
    return Document(document)
