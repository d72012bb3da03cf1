"""Old bytes are read by new code, and bytes of newer code as far as this version knows them."""

from typing import Any

import msgspec
import pytest
from msgspec import inspect

from logs.topics import TOPICS, Topic, UndecodableRecord, UnknownKind
from tests.unit.logs import golden_records
from tests.unit.logs.golden_records import Golden

GOLDEN = [
    (topic, golden) for topic in TOPICS.values() for golden in golden_records.read(topic.name)
]
# The others carry one kind of record, which has no tag.
TAGGED = [
    (topic, golden) for topic, golden in GOLDEN if topic.name not in {"InputProcessed", "Rejected"}
]


def name_of(part: Any) -> str:
    return part.name if isinstance(part, Topic) else f"{part.kind}-{len(part.fields)}"


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_each_kind_of_record_and_each_field_has_golden_bytes(topic: Topic[Any]) -> None:
    for record in golden_records.records_of(topic):
        lacking = golden_records.missing(topic, record)
        assert not lacking, f"{record.__name__}: python -m tests.unit.logs.golden_records"


@pytest.mark.parametrize(("topic", "golden"), GOLDEN, ids=name_of)
def test_old_bytes_say_what_they_said(topic: Topic[Any], golden: Golden) -> None:
    said = golden_records.said(topic.decode(golden.value))

    assert {name: said[name] for name in golden.says} == golden.says


@pytest.mark.parametrize(("topic", "golden"), GOLDEN, ids=name_of)
def test_fields_of_a_newer_version_are_passed_over_in_records_and_their_parts(
    topic: Topic[Any], golden: Golden
) -> None:
    known = type(topic.decode(golden.value))
    newer = grown(msgspec.msgpack.decode(golden.value), inspect.type_info(known))

    assert newer != msgspec.msgpack.decode(golden.value)
    assert topic.decode(msgspec.msgpack.encode(newer)) == topic.decode(golden.value)


def grown(value: Any, known: inspect.Type) -> Any:
    """Return a value as a version writes it that has one field more in each struct."""
    match known:
        case inspect.UnionType(types=types):
            structs = [one for one in types if isinstance(one, inspect.StructType)]
            return grown(value, structs[0]) if structs and value is not None else value
        case inspect.StructType(array_like=True, fields=fields):
            parts = [grown(part, field.type) for part, field in zip(value, fields, strict=False)]
            return [*parts, "of a newer version"]
        case inspect.StructType(fields=fields):
            of = {field.encode_name: field.type for field in fields}
            named = {
                name: grown(part, of[name]) if name in of else part for name, part in value.items()
            }
            return {**named, "of_a_newer_version": [{"any": "thing"}]}
        case inspect.ListType(item_type=item):
            return [grown(part, item) for part in value]
    return value


@pytest.mark.parametrize(("topic", "golden"), GOLDEN, ids=name_of)
def test_what_this_version_writes_is_read_by_one_that_knows_the_fields_of_then(
    topic: Topic[Any], golden: Golden
) -> None:
    known: Any
    [known] = [one for one in golden_records.records_of(topic) if golden.kind == kind_of(one)]
    config = known.__struct_config__
    of_then = msgspec.defstruct(
        known.__name__,
        [as_defined(one) for one in msgspec.structs.fields(known) if one.name in golden.fields],
        tag_field=config.tag_field,
        tag=config.tag,
        kw_only=True,
    )
    [*_, newest] = [one for one in golden_records.read(topic.name) if one.kind == golden.kind]

    read = golden_records.said(msgspec.msgpack.decode(newest.value, type=of_then))

    assert read == {name: newest.says[name] for name in golden.fields}


def as_defined(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return (field.name, field.type, msgspec.field(default_factory=field.default_factory))
    return (field.name, field.type, msgspec.field(default=field.default))


def kind_of(record: Any) -> str:
    return str(record.__struct_config__.tag or record.__name__)


@pytest.mark.parametrize(("topic", "golden"), TAGGED, ids=name_of)
def test_a_kind_of_a_newer_version_is_told_as_unknown(topic: Topic[Any], golden: Golden) -> None:
    newer = msgspec.msgpack.decode(golden.value)
    newer["record"] = "of_a_newer_version"

    with pytest.raises(UnknownKind) as unknown:
        topic.decode(msgspec.msgpack.encode(newer))

    assert (unknown.value.topic, unknown.value.kind) == (topic.name, "of_a_newer_version")


@pytest.mark.parametrize(("topic", "golden"), TAGGED, ids=name_of)
@pytest.mark.parametrize("tag", [None, 7, ["event"], {}], ids=str)
def test_a_record_that_names_no_kind_is_no_newer_one(
    topic: Topic[Any], golden: Golden, tag: Any
) -> None:
    damaged = {**msgspec.msgpack.decode(golden.value), "record": tag}

    with pytest.raises(UndecodableRecord):
        topic.decode(msgspec.msgpack.encode(damaged))


@pytest.mark.parametrize(("topic", "golden"), GOLDEN, ids=name_of)
def test_a_record_that_was_cut_or_lacks_its_fields_is_no_newer_one(
    topic: Topic[Any], golden: Golden
) -> None:
    known = msgspec.msgpack.decode(golden.value)
    without_fields = {name: known[name] for name in known.keys() & {"record"}}

    for damaged in (golden.value[:-1], msgspec.msgpack.encode(without_fields)):
        with pytest.raises(UndecodableRecord):
            topic.decode(damaged)
