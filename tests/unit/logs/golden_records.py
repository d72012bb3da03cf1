"""Golden records: bytes of each kind of record as a version wrote them, and what they say.

`python -m tests.unit.logs.golden_records` adds those of kinds and fields that have none yet. What
is there stays as it is: topics and backups still hold such bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect

from logs.topics import TOPICS, Topic

_FOLDER: Final = Path(__file__).resolve().parents[2] / "vectors/records"
_EXAMPLES: Final[dict[type, Any]] = {
    inspect.StrType: "text",
    inspect.IntType: 7,
    inspect.BytesType: b"{}",
    inspect.BoolType: True,
}


class Golden(msgspec.Struct):
    """A record as it was written."""

    kind: str
    """Its tag, or the name of its type where the topic has no tags."""
    fields: Sequence[str]
    """Those that the writer knew and set."""
    value: bytes
    says: dict[str, Any]
    """The fields when it was written, defaults as well."""


def read(topic: str) -> list[Golden]:
    """Return the golden records of a topic, the oldest first."""
    file = _file(topic)
    return msgspec.json.decode(file.read_bytes(), type=list[Golden]) if file.exists() else []


def said(record: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a record as JSON has them."""
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.asdict(record))
    return fields


def missing(topic: Topic[Any], record: type) -> list[Golden]:
    """Return golden records that one type of record lacks: without optional fields, and whole."""
    there = [golden for golden in read(topic.name) if golden.kind == _kind(record)]
    fields = msgspec.structs.fields(record)
    if any({field.name for field in fields} <= {*golden.fields} for golden in there):
        return []
    required = [field for field in fields if field.required]
    chosen = [fields] if there or required == [*fields] else [required, fields]
    return [_written(topic, record, some) for some in chosen]


def records_of(topic: Topic[Any]) -> Sequence[type]:
    """Return the types of the records that a topic carries."""
    kinds = inspect.type_info(topic.record)
    structs = kinds.types if isinstance(kinds, inspect.UnionType) else [kinds]
    return [one.cls for one in structs if isinstance(one, inspect.StructType)]


def write_missing() -> int:
    """Add what is missing to the files; return how many golden records that were."""
    added = 0
    for topic in TOPICS.values():
        golden = read(topic.name)
        new = [one for record in records_of(topic) for one in missing(topic, record)]
        if new:
            _file(topic.name).write_bytes(
                msgspec.json.format(msgspec.json.encode([*golden, *new]), indent=2) + b"\n"
            )
        added += len(new)
    return added


def _file(topic: str) -> Path:
    return _FOLDER / f"{topic}.json"


def _written(
    topic: Topic[Any], record: type, fields: Sequence[msgspec.structs.FieldInfo]
) -> Golden:
    names = {field.name: _example(inspect.type_info(field.type)) for field in fields}
    made = record(**names)
    value = topic.encode(made)
    return Golden(_kind(record), list(names), value, said(made))


def _kind(record: type) -> str:
    found = inspect.type_info(record)
    assert isinstance(found, inspect.StructType)
    return str(found.tag or record.__name__)


def _example(wanted: inspect.Type) -> Any:
    """Return a value of a type which is the default of no field."""
    match wanted:
        case inspect.UnionType(types=types):
            return _example(next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            return values[-1]
        case inspect.ListType(item_type=item):
            return [_example(item)]
        case inspect.DictType(key_type=key, value_type=value):
            return {_example(key): _example(value)}
        case inspect.StructType(cls=cls, fields=fields):
            return cls(**{field.name: _example(field.type) for field in fields})
    return _EXAMPLES[type(wanted)]


if __name__ == "__main__":
    print(f"{write_missing()} added")  # noqa: T201 (a command line prints)
