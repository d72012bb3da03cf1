"""What can be set of the key server."""

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]


class KeyServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many keys devices and users may have."""

    keys_per_upload_max: Count = 200
    """One-time keys and fallback keys in one request; more are refused with `M_TOO_LARGE`."""
    one_time_keys_per_device_max: Count = 1000
    """One-time keys that wait to be claimed. An upload that would exceed this is refused with
    `M_TOO_LARGE`."""
    key_bytes_max: Count = 65_536
    """Bytes of one key with its signatures, as JSON."""
    users_per_request_max: Count = 1000
    """Users whose keys one request asks for or claims."""
    max_batch_records: Count = 500
    """Records of OutputClientData that one database transaction processes at most."""
    announce_timeout_s: Annotated[float, Meta(gt=0)] = 10.0
    """Seconds until a request whose change waits to be announced is answered 503. The change is
    stored then, and announced later."""
