"""What can be set of the key server."""

from typing import Annotated

import msgspec
from msgspec import Meta

from base.limits import Rate

Count = Annotated[int, Meta(ge=1)]


class KeyServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many keys devices and users may have."""

    keys_per_upload_max: Count = 200
    """One-time keys and fallback keys in one request; more are refused with `M_TOO_LARGE`."""
    one_time_keys_per_device_max: Count = 1000
    """One-time keys that wait to be claimed. An upload that would exceed this is refused with
    `M_TOO_LARGE`."""
    key_bytes_max: Count = 65_536
    """Bytes of one key with its signatures, as JSON. Of a backup it limits the encrypted data of
    each key, and `auth_data`."""
    dehydrated_device_bytes_max: Count = 65_536
    """Bytes of what a client needs to go on with a dehydrated device, as JSON."""
    users_per_request_max: Count = 1000
    """Users whose keys one request asks for or claims."""
    backups_per_user_max: Count = 100
    """Backups of keys that one user has at a time. A further one is refused with `M_TOO_LARGE`
    until the user deletes one."""
    backed_up_keys_per_user_max: Count = 500_000
    """Keys in all backups of one user together; about a kilobyte each. Further ones are refused
    with `M_TOO_LARGE`."""
    backup_rate_per_user: Rate | None = Rate(per_second=20, burst=500)
    """Requests of one user about backups of keys; `None` for no limit. Clients ask for keys one at
    a time, and store up to some hundred at once."""
    max_batch_records: Count = 500
    """Records of OutputClientData that one database transaction processes at most."""
    announce_timeout_s: Annotated[float, Meta(gt=0)] = 10.0
    """Seconds until a request whose change waits to be announced is answered 503. The change is
    stored then, and announced later."""
