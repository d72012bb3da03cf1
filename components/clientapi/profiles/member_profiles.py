"""What member events tell of local users: display name and avatar."""

from typing import Any, Final

from internalapi.userapi import AccountData, Accounts, Profiles
from matrix.errors import BadJson, Forbidden, InvalidParam, InviteBlocked, NotFound
from matrix.identifiers import ServerName, UserID, server_of
from matrix.invite_permission import INVITE_PERMISSION, blocks_invites

DISPLAYNAME_CHARACTERS_MAX: Final = 256
AVATAR_URL_CHARACTERS_MAX: Final = 1000
MEMBER_FIELDS: Final = ("displayname", "avatar_url")
"""The profile fields that member events repeat."""


def checked_member_field(name: str, value: Any) -> str | None:
    """Return a display name or avatar URL; `None` for an empty one, which means none.

    Raises `BadJson` for another type, `InvalidParam` for what is too long or no MXC URI.
    """
    if value is None or value == "":
        return None
    if type(value) is not str:
        raise BadJson(f"The field {name} is not a string.")
    if name == "displayname":
        if len(value) > DISPLAYNAME_CHARACTERS_MAX:
            raise InvalidParam(f"A display name has {DISPLAYNAME_CHARACTERS_MAX} characters.")
        return value
    if len(value) > AVATAR_URL_CHARACTERS_MAX:
        raise InvalidParam(f"An avatar URL has {AVATAR_URL_CHARACTERS_MAX} characters.")
    if not value.startswith("mxc://"):
        raise InvalidParam("An avatar URL is an MXC URI.")
    return value


class MemberProfiles:
    """The profiles of local users, as far as member events tell of them."""

    def __init__(
        self,
        profiles: Profiles,
        accounts: Accounts,
        account_data: AccountData,
        server_name: ServerName,
    ) -> None:
        self._profiles = profiles
        self._accounts = accounts
        self._account_data = account_data
        self._server_name = server_name

    def is_local(self, user_id: UserID) -> bool:
        """Return whether the user is of this server."""
        return server_of(user_id) == self._server_name

    async def of(self, user_id: UserID) -> dict[str, Any]:
        """Return the fields for the user's member events; none for users of other servers."""
        if not self.is_local(user_id):
            return {}
        try:
            profile = await self._profiles.query_profile(user_id=user_id)
        except NotFound:
            return {}
        return {name: value for name in MEMBER_FIELDS if (value := profile.get(name))}

    async def require_account(self, user_id: UserID) -> None:
        """Raise `NotFound` for a local user who does not exist, or whose account has ended."""
        if self.is_local(user_id) and not await self._accounts.query_account_exists(
            user_id=user_id
        ):
            raise NotFound(f"There is no user {user_id}.")

    async def require_invitable(self, user_id: UserID) -> None:
        """Raise `Forbidden` for a user of another server.

        Raises `InviteBlocked` for one who blocks invites ("Invite permission").
        """
        if not self.is_local(user_id):
            raise Forbidden(f"{user_id} cannot be invited: this server does not federate.")
        config = await self._account_data.query_account_data(
            user_id=user_id, room_id=None, data_type=INVITE_PERMISSION
        )
        if config is not None and blocks_invites(config):
            raise InviteBlocked(f"{user_id} does not want to be invited.")
