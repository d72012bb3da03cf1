"""What other components ask the user API: who sends a request, and users' profiles."""

from typing import Any, Literal, Protocol

import msgspec

from matrix.identifiers import DeviceID, EventID, RoomID, UserID


class Requester(msgspec.Struct, frozen=True):
    """Who a request comes from, by its access token."""

    user_id: UserID
    device_id: DeviceID
    is_guest: bool = False
    is_admin: bool = False
    is_suspended: bool = False
    """Whether all that a suspended account cannot do is refused with `UserSuspended`."""
    expires_at_ms: int | None = None
    """When the token stops being valid, in milliseconds since the Unix epoch; `None` for never."""
    device_number: int = 0
    """Which of the devices that have had this ID it is (`DeviceChanged.number`)."""


class CurrentToken(msgspec.Struct, frozen=True):
    """An access token as the database has it."""

    requester: Requester
    expires_at_ms: int | None = None
    """As in `requester`, for processes of versions that do not know it there."""


class NewAccount(msgspec.Struct, frozen=True):
    """A freshly registered account, with the token of its first device if one was wanted."""

    user_id: UserID
    device_id: DeviceID | None = None
    access_token: str | None = None


class NewReport(msgspec.Struct, frozen=True):
    """What a user reports to the administrators as inappropriate."""

    kind: Literal["event", "room", "user"]
    user_id: UserID
    """Who reports."""
    reason: str
    room_id: RoomID | None = None
    event_id: EventID | None = None
    sender: UserID | None = None
    """Who sent the event, or the user who is reported."""
    event_json: bytes | None = None
    """The event as the reporter sees it."""
    room_name: str | None = None
    canonical_alias: str | None = None


class Authentication(Protocol):
    """Recognises access tokens. Called on every request: the answer comes from memory."""

    async def query_token(self, *, access_token: str) -> Requester:
        """Return whose token it is.

        Raises `UnknownToken`, with `soft_logout` when it expired, and `UserLocked`.
        """
        ...


class CurrentTokens(Protocol):
    """Access tokens for processes that keep them in memory, until OutputClientData says more."""

    async def query_current_token(self, *, access_token: str) -> CurrentToken:
        """Return whose token it is, from the database: what was revoked before is not known.

        Raises the same as `Authentication.query_token`.
        """
        ...


class Accounts(Protocol):
    """Accounts of this server."""

    async def perform_create_account(
        self,
        *,
        localpart: str,
        password: str | None,
        is_admin: bool = False,
        display_name: str | None = None,
        with_device: bool = True,
    ) -> NewAccount:
        """Create an account. Raises `UserInUse`, `InvalidUsername`, `WeakPassword`."""
        ...

    async def query_account_exists(self, *, user_id: UserID) -> bool:
        """Return whether the user ID belongs to an account of this server, not deactivated."""
        ...

    async def query_guests(self, *, user_ids: list[UserID]) -> list[UserID]:
        """Return those of the users who are guests of this server, in the order given."""
        ...


class Profiles(Protocol):
    """Profiles of local users."""

    async def query_profile(self, *, user_id: UserID) -> dict[str, Any]:
        """Return the profile's fields (`displayname`, `avatar_url`, others). Raises `NotFound`."""
        ...

    async def perform_set_profile_field(self, *, user_id: UserID, field: str, value: Any) -> bool:
        """Set a field, or remove it with `None`; false when nothing changed."""
        ...


class FoundUser(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user as the directory shows them."""

    user_id: UserID
    display_name: str | None = None
    avatar_url: str | None = None


class FoundUsers(msgspec.Struct, frozen=True):
    """A part of those whom a search of the directory finds, in their order."""

    users: list[FoundUser]
    are_for_all: bool
    """Whether anybody may see them, not only those who can meet them in a room."""


class UserDirectory(Protocol):
    """The users of this server by their names."""

    async def query_users(
        self, *, searcher: UserID, term: str, skipped: int, limit: int
    ) -> FoundUsers:
        """Return users, but not the searcher, of whose words one begins with each of the term's.

        Those who have the whole of its first word come first, then by user ID; the first ones of
        this order are skipped.
        """
        ...


class Filters(Protocol):
    """Filters that users have stored."""

    async def query_filter(self, *, user_id: UserID, filter_id: str) -> dict[str, Any]:
        """Return the filter as it was stored. Raises `NotFound`."""
        ...


class AccountData(Protocol):
    """Account data of local users, as other components read and write it."""

    async def query_account_data(
        self, *, user_id: UserID, room_id: RoomID | None, data_type: str
    ) -> dict[str, Any] | None:
        """Return the content of a type, of a room or of none; `None` where it was never set."""
        ...

    async def perform_set_account_data(
        self, *, user_id: UserID, room_id: RoomID | None, data_type: str, content: dict[str, Any]
    ) -> None:
        """Set the content of a type, also of one that only the server sets (`m.fully_read`).

        Durable and announced. Raises `TooLarge`, and `NotFound` for a user without an account.
        """
        ...


class ReplacedRooms(Protocol):
    """What users have set for rooms that were upgraded."""

    async def perform_take_over(
        self, *, user_id: UserID, old_room_id: RoomID, new_room_id: RoomID
    ) -> None:
        """Copy what the user has set for the old room; again changes nothing.

        Raises `NotFound` for a user without an account.
        """
        ...


class Reports(Protocol):
    """Reports of events, rooms and users."""

    async def perform_add_report(self, *, report: NewReport) -> None:
        """Keep a report for the administrators, durably.

        Raises `LimitExceeded` for a user who reports too often, and `TooLarge` for a long reason.
        """
        ...


class KnownDevice(msgspec.Struct, frozen=True):
    """A device that there is."""

    user_id: UserID
    device_id: DeviceID
    number: int
    """Which of the devices that have had this ID it is."""


class Devices(Protocol):
    """Devices of local users."""

    async def query_device_number(self, *, user_id: UserID, device_id: DeviceID) -> int | None:
        """Return the number of the device, from the database; `None` where there is no such.

        Raises `Unavailable`.
        """
        ...

    async def query_devices_of(self, *, user_ids: list[UserID]) -> list[KnownDevice]:
        """Return all devices of these users, from the database, in no order.

        Raises `Unavailable`.
        """
        ...


class DehydratedDevices(Protocol):
    """Devices of local users on which nobody is logged in (MSC3814): each user has one at most.

    Removed like all others, they are removed. What was answered before a call is known.
    """

    async def query_dehydrated_device(self, *, user_id: UserID) -> KnownDevice | None:
        """Return the dehydrated device of a user; `None` where there is none.

        Raises `Unavailable`.
        """
        ...

    async def perform_replace_dehydrated_device(
        self, *, user_id: UserID, device_id: DeviceID, display_name: str | None
    ) -> int:
        """Make a dehydrated device, another one also under the same ID, and return its number.

        The one before is removed, in the same transaction; both are announced. Raises
        `InvalidParam` where another device has the ID, `Forbidden` for a user who has too many
        devices, `UserDeactivated`, `UserLocked` and `Unavailable`.
        """
        ...

    async def perform_remove_dehydrated_device(self, *, user_id: UserID) -> KnownDevice | None:
        """Remove the dehydrated device of a user and return it; `None` where there is none.

        Announced. Raises `Unavailable`.
        """
        ...


class ProofOutcome(msgspec.Struct, frozen=True):
    """Whether a user who is logged in has proven once more to be themselves."""

    body: dict[str, Any]
    """That of the request, or of the one that opened the session which it names."""
    challenge: dict[str, Any] | None
    """The body of the answer 401 until they have; `None` where they have."""


class UserProofs(Protocol):
    """Interactive authentication, for what a stolen access token must not do elsewhere."""

    async def perform_prove(
        self, *, requester: Requester, body: dict[str, Any], operation: str
    ) -> ProofOutcome:
        """Let the requester prove to be the user, for one operation; a proof is good once.

        Raises `Forbidden` for anybody else, and `LimitExceeded`.
        """
        ...


class OpenIDTokens(Protocol):
    """Tokens with which users prove to others who they are."""

    async def query_openid_user(self, *, access_token: str) -> UserID:
        """Return who had the token made. Raises `UnknownToken`, also for an expired one."""
        ...


class UserHistoryPage(msgspec.Struct, frozen=True):
    """A part of what the user API has announced and that still holds."""

    records: list[bytes]
    """Records of OutputClientData, encoded."""
    next_place: list[str] | None
    """Where the next part begins; `None` at the end."""


class UserHistory(Protocol):
    """What all users keep with the server: readers are rebuilt from it.

    Parts go user by user; all begin after the empty place. Tokens that were revoked are nowhere.
    """

    async def query_user_data(self, *, after: list[str], limit: int) -> UserHistoryPage:
        """Return account data, of rooms and of none, and profile fields after a place."""
        ...

    async def query_devices(self, *, after: list[str], limit: int) -> UserHistoryPage:
        """Return all devices after a place, as `DeviceChanged`."""
        ...

    async def query_account_statuses(self, *, after: list[str], limit: int) -> UserHistoryPage:
        """Return the accounts that are deactivated, locked or suspended after a place."""
        ...
