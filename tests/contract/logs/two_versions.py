"""A topic as two versions know it: the newer one has a kind of record that the older one lacks."""

from typing import Final

from logs.log import Outgoing
from logs.topics import Topic
from tests.contract.logs.under_test import SPREAD, Number


class OldNumber(Number, frozen=True, tag_field="record", tag="old"):
    """The kind that both know."""


class NewNumber(Number, frozen=True, tag_field="record", tag="new"):
    """The kind that the newer version has added."""


def _spread(record: object) -> Topic[Number]:
    return Topic(SPREAD.name, record, key="any", writers="tests", readers="tests", retention_h=24)


OLDER: Final = _spread(OldNumber)
NEWER: Final = _spread(OldNumber | NewNumber)


def old(value: int, key: str = "alice") -> Outgoing:
    """Return a record that both versions know."""
    return Outgoing(key, NEWER.encode(OldNumber(value)))


def new(value: int, key: str = "alice") -> Outgoing:
    """Return a record that the older version does not know."""
    return Outgoing(key, NEWER.encode(NewNumber(value)))
