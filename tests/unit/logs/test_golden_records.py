"""Old bytes are read by new code, and bytes of newer code as far as this version knows them."""

from typing import Any

import msgspec
import pytest

from logs.records.room_input import AddEvent, Transaction
from logs.topics import INPUT_ROOM_EVENT, TOPICS, Topic, UndecodableRecord
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
def test_fields_of_a_newer_version_are_passed_over(topic: Topic[Any], golden: Golden) -> None:
    newer = msgspec.msgpack.decode(golden.value) | {"of_a_newer_version": [{"any": "thing"}]}

    assert topic.decode(msgspec.msgpack.encode(newer)) == topic.decode(golden.value)


def test_what_a_newer_version_appends_to_a_part_without_names_is_passed_over() -> None:
    transaction = Transaction("@alice:localhost", "DEVICE", "1")
    record = AddEvent("$event", "11", b"{}", transaction=transaction)
    newer = msgspec.msgpack.decode(INPUT_ROOM_EVENT.encode(record))
    newer["transaction"].append("of a newer version")

    assert INPUT_ROOM_EVENT.decode(msgspec.msgpack.encode(newer)) == record


@pytest.mark.parametrize(("topic", "golden"), TAGGED, ids=name_of)
def test_a_kind_of_a_newer_version_is_told_as_unknown(topic: Topic[Any], golden: Golden) -> None:
    newer = msgspec.msgpack.decode(golden.value)
    newer["record"] = "of_a_newer_version"

    with pytest.raises(UndecodableRecord, match="of_a_newer_version"):
        topic.decode(msgspec.msgpack.encode(newer))
