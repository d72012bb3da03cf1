"""What can be set of the receipt server."""

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]


class ReceiptServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much the receipt server keeps in memory and takes at once."""

    max_batch_receipts: Count = 500
    """Receipts that one database transaction processes at most."""
    cached_receipts: Count = 10_000
    """Receipts per partition that stay in memory; others are read when they are to move."""
