"""Accounts, with their password hashes, and the uses of registration tokens."""

from collections.abc import Collection
from typing import Final

import msgspec
import sqlalchemy as sa

from base.database import (
    Connection,
    Database,
    SelectByKeys,
    Statement,
    insert,
    insert_for,
    insert_into,
)
from components.userapi.store.announcing import ClientDataAnnouncements
from components.userapi.store.directory import index_user
from components.userapi.store.interactive import end_registration, end_session
from components.userapi.store.sessions import NewSession, delete_devices, insert_session
from components.userapi.store.special_tokens import delete_login_tokens
from components.userapi.store.tables import (
    account_data,
    accounts,
    devices,
    profile_fields,
    registration_token_uses,
)
from components.userapi.store.user_data import PUSH_RULES
from logs.records.client_data import (
    AccountDataChanged,
    AccountStatusChanged,
    OutputClientData,
    ProfileChanged,
)
from matrix.errors import Forbidden, UserInUse
from matrix.identifiers import UserID

_SELECT_ACCOUNT: Final = Statement(
    sa.select(
        accounts.c.password_hash,
        accounts.c.is_guest,
        accounts.c.is_admin,
        accounts.c.is_deactivated,
        accounts.c.is_locked,
        accounts.c.is_suspended,
    ).where(accounts.c.user_id == sa.bindparam("of_user"))
)
_SELECT_GUESTS: Final = SelectByKeys(
    sa.select(accounts.c.user_id).where(accounts.c.is_guest), accounts.c.user_id
)
_INSERT_ACCOUNT: Final = Statement(
    lambda dialect: (
        insert_for(dialect, accounts)
        .values({column.name: sa.bindparam(column.name) for column in accounts.columns})
        .on_conflict_do_nothing()
        .returning(accounts.c.user_id)
    )
)
_INSERT_ACCOUNT_DATA: Final = insert_into(account_data)
_INSERT_PROFILE_FIELD: Final = insert_into(profile_fields)


class TokenUsedUp(Forbidden):
    """The registration token has been used as often as it may be."""


class Account(msgspec.Struct, frozen=True):
    """An account as stored."""

    password_hash: bytes | None
    """`None` where nobody can log in with a password."""
    is_guest: bool
    is_admin: bool
    is_deactivated: bool
    is_locked: bool
    is_suspended: bool


class TokenUse(msgspec.Struct, frozen=True):
    """A registration token that an account is made with."""

    token: str
    uses_allowed: int | None


class StoredAccount(msgspec.Struct, frozen=True):
    """All that is written when an account is made."""

    user_id: UserID
    password_hash: bytes | None
    is_guest: bool
    is_admin: bool
    user_type: str | None
    display_name: bytes | None
    """JSON string."""
    push_rules: bytes
    """JSON object: the ruleset that the account begins with."""
    now_ms: int
    session: NewSession | None
    """Its first login."""
    interactive_session_id: str | None
    """The registration that this ends."""
    token_use: TokenUse | None
    is_upgrade: bool = False
    """Whether it is a guest account that becomes a user's, instead of a new one."""


class AccountStore:
    """Transactions over accounts."""

    def __init__(
        self, database: Database, announcements: ClientDataAnnouncements, *, devices_max: int
    ) -> None:
        self._database = database
        self._announcements = announcements
        self._devices_max = devices_max

    async def insert_account(self, new: StoredAccount) -> None:
        """Make an account, or a guest's account a user's, with all that belongs to it.

        Raises `UserInUse`, also for the loser of two who ask at once, `TokenUsedUp` and
        `SessionOver`.
        """

        def work(connection: Connection) -> None:
            if new.is_upgrade:
                _upgrade_guest(connection, new)
            else:
                _insert_account(connection, new)
            if new.token_use is not None:
                _use_token(connection, new.token_use)
            end_registration(connection, new.interactive_session_id, new.user_id)
            if new.session is not None:
                insert_session(connection, self._announcements, new.session, self._devices_max)
            for record in _first_data(connection, new):
                self._announcements.put(connection, record)

        await self._announcements.write(work)

    async def select_account(self, user_id: UserID) -> Account | None:
        """Return an account."""

        def select(connection: Connection) -> Account | None:
            for password_hash, *flags in _SELECT_ACCOUNT.rows(connection, {"of_user": user_id}):
                return Account(password_hash, *map(bool, flags))
            return None

        return await self._database.read(select)

    async def select_guests(self, user_ids: Collection[UserID]) -> set[UserID]:
        """Return those of the users who are guests."""

        def select(connection: Connection) -> set[UserID]:
            return {row[0] for row in _SELECT_GUESTS.rows(connection, user_ids)}

        return await self._database.read(select)

    async def update_password(
        self,
        user_id: UserID,
        password_hash: bytes,
        *,
        interactive_session_id: str | None,
        logout_all_but: str | None,
    ) -> Collection[str]:
        """Set the password, and delete all devices but one unless that is `None`.

        Nobody logs in by a token of before. Returns the devices that were deleted. Raises
        `SessionOver`.
        """

        def work(connection: Connection) -> Collection[str]:
            connection.execute(
                sa.update(accounts)
                .where(accounts.c.user_id == user_id, accounts.c.is_deactivated.is_(False))
                .values(password_hash=password_hash)
            )
            end_session(connection, interactive_session_id)
            delete_login_tokens(connection, user_id)
            if logout_all_but is None:
                return ()
            others = connection.scalars(
                sa.select(devices.c.device_id).where(
                    devices.c.user_id == user_id, devices.c.device_id != logout_all_but
                )
            ).all()
            delete_devices(connection, self._announcements, user_id, others)
            return others

        return await self._announcements.write(work)

    async def select_token_uses(self, token: str) -> int:
        """Return how many accounts were made with a registration token."""
        query = sa.select(registration_token_uses.c.uses).where(
            registration_token_uses.c.token == token
        )
        return await self._database.read(lambda connection: connection.scalar(query) or 0)


def _insert_account(connection: Connection, new: StoredAccount) -> None:
    values = {
        "user_id": new.user_id,
        "password_hash": new.password_hash,
        "is_guest": new.is_guest,
        "is_admin": new.is_admin,
        "user_type": new.user_type,
        "created_at_ms": new.now_ms,
        "is_deactivated": False,
        "is_erased": False,
        "is_locked": False,
        "is_suspended": False,
        "devices_made": 0,
    }
    if not _INSERT_ACCOUNT.rows(connection, values):
        raise UserInUse


def _use_token(connection: Connection, use: TokenUse) -> None:
    uses = connection.execute(
        insert(connection, registration_token_uses)
        .values(token=use.token, uses=1)
        .on_conflict_do_update(
            index_elements=[registration_token_uses.c.token],
            set_={"uses": registration_token_uses.c.uses + 1},
        )
        .returning(registration_token_uses.c.uses)
    ).scalar_one()
    if use.uses_allowed is not None and uses > use.uses_allowed:
        raise TokenUsedUp


def _upgrade_guest(connection: Connection, new: StoredAccount) -> None:
    upgraded = connection.execute(
        sa.update(accounts)
        .where(
            accounts.c.user_id == new.user_id,
            accounts.c.is_guest.is_(True),
            accounts.c.is_deactivated.is_(False),
        )
        .values(is_guest=False, password_hash=new.password_hash)
    )
    if not upgraded.rowcount:
        raise UserInUse


def _first_data(connection: Connection, new: StoredAccount) -> list[OutputClientData]:
    if new.is_upgrade:
        # What guests have stays; their tokens become a user's.
        index_user(connection, new.user_id, _display_name_of(connection, new.user_id))
        return [AccountStatusChanged(new.user_id, *[False] * 4)]
    _INSERT_ACCOUNT_DATA.run(
        connection,
        {"user_id": new.user_id, "room_id": "", "type": PUSH_RULES, "content": new.push_rules},
    )
    records: list[OutputClientData] = [
        AccountDataChanged(user_id=new.user_id, type=PUSH_RULES, content=new.push_rules)
    ]
    if not new.is_guest:
        index_user(connection, new.user_id, new.display_name)
    if new.display_name is not None:
        _INSERT_PROFILE_FIELD.run(
            connection,
            {"user_id": new.user_id, "field": "displayname", "value": new.display_name},
        )
        records.append(ProfileChanged(new.user_id, "displayname", new.display_name))
    return records


def _display_name_of(connection: Connection, user_id: UserID) -> bytes | None:
    return connection.scalar(
        sa.select(profile_fields.c.value).where(
            profile_fields.c.user_id == user_id, profile_fields.c.field == "displayname"
        )
    )
