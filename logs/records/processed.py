"""How far consumers are with their inputs: the records of InputProcessed."""

import msgspec


class InputProcessed(msgspec.Struct, frozen=True, gc=False):
    """All inputs of a partition before an offset are processed, and what came of them is appended.

    Nothing follows from it but that those who wait for it go on: it may be lost, or come twice.
    """

    consumer: str
    partition: int
    next_offset: int
