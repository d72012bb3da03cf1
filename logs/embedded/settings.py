"""What can be set of the embedded log."""

from typing import Annotated

import msgspec
from msgspec import Meta


class EmbeddedLogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of an embedded log; `EmbeddedLog.open` takes them by the same names."""

    segment_bytes: int = 64 * 1024 * 1024
    """Bytes after which a new file is begun; old files are dropped as a whole."""
    segment_age_h: Annotated[float, Meta(gt=0)] = 24
    """Hours after which a new file is begun however small the old one is, so that retention works
    on a quiet server too."""
    max_record_bytes: int = 1024 * 1024
    """Bytes of one record's key and value; a larger one is refused."""
    max_queued_bytes: int = 32 * 1024 * 1024
    """Bytes that may wait for the disk; over it, appends wait their turn before they queue."""
    tail_bytes: int = 4 * 1024 * 1024
    """Bytes of the newest records kept in memory for readers; older ones are read from files."""
