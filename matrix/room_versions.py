"""What each of the room versions 1 to 12 changes, as one table of flags."""

from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from matrix.errors import UnsupportedRoomVersion


class EventIDFormat(Enum):
    """How an event gets its ID."""

    SENDER_CHOSEN = 1
    """`$opaque:domain`, a field of the event (room versions 1 and 2)."""
    HASH_STANDARD = 2
    """`$` and the reference hash in standard unpadded base64 (room version 3)."""
    HASH_URL_SAFE = 3
    """`$` and the reference hash in URL-safe unpadded base64 (from room version 4)."""


class StateResolution(Enum):
    """Which algorithm resolves forked state."""

    V1 = "1"
    V2 = "2"
    V2_1 = "2.1"


@dataclass(frozen=True, slots=True)
class RoomVersion:
    """One room version: its identifier and what is particular to it."""

    identifier: str
    event_id_format: EventIDFormat = EventIDFormat.SENDER_CHOSEN
    state_resolution: StateResolution = StateResolution.V1
    enforce_key_validity: bool = False
    strict_canonical_json: bool = False
    integer_power_levels: bool = False
    guard_notification_levels: bool = False
    aliases_auth_rule: bool = True
    redaction_auth_rule: bool = True
    knock: bool = False
    restricted_join: bool = False
    knock_restricted: bool = False
    redaction_keeps_join_rule_allow: bool = False
    redaction_keeps_join_authoriser: bool = False
    updated_redaction_rules: bool = False
    """Room version 11: new redaction lists, and `redacts` inside `content`."""
    creator_is_sender: bool = False
    """Room version 11: no `creator` in the create event."""
    create_event_is_room_id: bool = False
    """Room version 12: room ID from the create event's hash; it leaves `auth_events`."""
    privileged_creators: bool = False
    """Room version 12: creators stand above every power level."""

    @property
    def has_event_id_field(self) -> bool:
        """Whether a PDU carries `event_id`, and its references carry hashes."""
        return self.event_id_format is EventIDFormat.SENDER_CHOSEN

    @property
    def redacts_in_content(self) -> bool:
        """Whether a redaction names its target in `content` (room version 11 on)."""
        return self.updated_redaction_rules


_V1 = RoomVersion("1")
_V2 = replace(_V1, identifier="2", state_resolution=StateResolution.V2)
_V3 = replace(
    _V2,
    identifier="3",
    event_id_format=EventIDFormat.HASH_STANDARD,
    redaction_auth_rule=False,
)
_V4 = replace(_V3, identifier="4", event_id_format=EventIDFormat.HASH_URL_SAFE)
_V5 = replace(_V4, identifier="5", enforce_key_validity=True)
_V6 = replace(
    _V5,
    identifier="6",
    strict_canonical_json=True,
    guard_notification_levels=True,
    aliases_auth_rule=False,
)
_V7 = replace(_V6, identifier="7", knock=True)
_V8 = replace(_V7, identifier="8", restricted_join=True, redaction_keeps_join_rule_allow=True)
_V9 = replace(_V8, identifier="9", redaction_keeps_join_authoriser=True)
_V10 = replace(_V9, identifier="10", integer_power_levels=True, knock_restricted=True)
_V11 = replace(_V10, identifier="11", updated_redaction_rules=True, creator_is_sender=True)
_V12 = replace(
    _V11,
    identifier="12",
    state_resolution=StateResolution.V2_1,
    create_event_is_room_id=True,
    privileged_creators=True,
)

ROOM_VERSIONS: Final = MappingProxyType(
    {
        version.identifier: version
        for version in (_V1, _V2, _V3, _V4, _V5, _V6, _V7, _V8, _V9, _V10, _V11, _V12)
    }
)
DEFAULT_ROOM_VERSION: Final = "12"


def room_version(identifier: str) -> RoomVersion:
    """Return the room version of this identifier, or raise `UnsupportedRoomVersion`."""
    version = ROOM_VERSIONS.get(identifier)
    if version is None:
        raise UnsupportedRoomVersion(
            f"Room version {identifier!r} is not one of {', '.join(ROOM_VERSIONS)}."
        )
    return version
