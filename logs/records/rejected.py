"""Records that no consumer can process, kept for operators."""

import msgspec


class RejectedRecord(msgspec.Struct, frozen=True):
    """A record as it was read, where from, and why it could not be processed."""

    topic: str
    partition: int
    offset: int
    consumer: str
    key: str
    value: bytes
    reason: str
