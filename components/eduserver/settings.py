"""What can be set of the EDU server."""

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]


class EduServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of time and memory of the EDU server."""

    max_typing_s: Count = 120
    """Seconds that a user types at most without renewing it, whatever the client asks for."""
    max_typing_per_room: Count = 100
    """Users who are shown as typing in one room at once; further ones are not."""
    max_typing: Count = 20_000
    """Users who are shown as typing in the rooms of one partition at once; further ones are not."""
    max_batch_requests: Count = 500
    """Typing requests that one database transaction processes at most."""
