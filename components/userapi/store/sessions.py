"""Devices, and the access and refresh tokens that belong to them."""

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from base.database import Connection, Database, Statement, insert_into
from components.userapi.store.announcing import ClientDataAnnouncements
from components.userapi.store.interactive import end_session
from components.userapi.store.new_devices import NewDevice, insert_device
from components.userapi.store.special_tokens import delete_tokens_of, take_login_token
from components.userapi.store.tables import (
    access_tokens,
    accounts,
    devices,
    refresh_tokens,
)
from logs.records.client_data import DeviceChanged, TokensRevoked
from matrix.errors import Forbidden, UserDeactivated, UserLocked
from matrix.identifiers import DeviceID, UserID

_CHECK: Final = sa.select(
    accounts.c.is_deactivated,
    accounts.c.is_locked,
    accounts.c.password_hash,
    accounts.c.devices_made,
).where(accounts.c.user_id == sa.bindparam("of_user"))
_CHECK_ACCOUNT: Final = Statement(_CHECK)
_LOCK_ACCOUNT: Final = Statement(_CHECK.with_for_update())
_SEE_DEVICE: Final = Statement(
    sa.update(devices)
    .where(
        devices.c.user_id == sa.bindparam("of_user"),
        devices.c.device_id == sa.bindparam("of_device"),
        devices.c.is_dehydrated.is_(sa.false()),
    )
    .values(
        last_seen_ms=sa.bindparam("seen_ms"),
        last_seen_address=sa.bindparam("address"),
        last_seen_user_agent=sa.bindparam("user_agent"),
    )
)
_INSERT_ACCESS: Final = insert_into(access_tokens)
_INSERT_REFRESH: Final = insert_into(refresh_tokens)


class DeviceDehydrated(Forbidden):
    """This is the ID of your dehydrated device, on which nobody can log in."""


class LoginTokenInvalid(Forbidden):
    """The login token is not valid, or not any more."""


class WrongCredentials(Forbidden):
    """The user name or the password is wrong."""


class ProvenUser(msgspec.Struct, frozen=True):
    """Who somebody has proven to be, by a password or a login token.

    The login asks once more whether it holds: the password may have been changed meanwhile.
    """

    user_id: UserID
    password_hash: bytes | None = None
    """That of the password."""
    login_token_hash: bytes | None = None
    """The token, which the login uses up."""


class StoredToken(msgspec.Struct, frozen=True):
    """An access token as stored, with what its account is."""

    user_id: UserID
    device_id: DeviceID
    is_guest: bool
    is_admin: bool
    is_locked: bool
    is_suspended: bool
    expires_at_ms: int | None
    device_number: int
    replaces_hash: bytes | None
    """The refresh token that has to go once this is used."""


class TokenHash(msgspec.Struct, frozen=True):
    """A new token: its hash, and when it expires."""

    token_hash: bytes
    expires_at_ms: int | None


class NewSession(msgspec.Struct, frozen=True):
    """A login: the device, new or known, and its first tokens."""

    proven: ProvenUser
    device_id: DeviceID
    display_name: str | None
    address: str | None
    user_agent: str | None
    now_ms: int
    access: TokenHash
    refresh: TokenHash | None
    is_new_device: bool
    """Whether its ID was made for this login."""

    @property
    def user_id(self) -> UserID:
        """Who logs in."""
        return self.proven.user_id

    @property
    def device(self) -> NewDevice:
        """The device as it is where it is new."""
        return NewDevice(
            self.user_id,
            self.device_id,
            self.display_name,
            self.now_ms,
            self.address,
            self.user_agent,
        )


def insert_session(
    connection: Connection,
    announcements: ClientDataAnnouncements,
    session: NewSession,
    devices_max: int,
) -> bool:
    """Log in on a device. A device that was known keeps its name and loses its tokens.

    Returns whether there is something to announce: that it had any, or that it is new.
    Raises `TooManyDevices`, `DeviceDehydrated`, `UserDeactivated` and `UserLocked`, and
    `WrongCredentials` and `LoginTokenInvalid` where what was proven does not hold any more.
    """
    check_account(connection, session.user_id, lock=True, proven=session.proven)
    token_hash = session.proven.login_token_hash
    if token_hash is not None and not take_login_token(connection, token_hash, session.now_ms):
        raise LoginTokenInvalid
    is_known = not session.is_new_device and _see_device(connection, session)
    number = None if is_known else insert_device(connection, session.device, devices_max)
    if not is_known and number is None:
        # Seen again, for that locks it: of several logins each revokes what was before it.
        is_known = _see_device(connection, session)
        if not is_known:
            raise DeviceDehydrated
    revoked = is_known and _delete_tokens(connection, session.user_id, [session.device_id])
    _insert_tokens(
        connection,
        session.user_id,
        session.device_id,
        access=session.access,
        refresh=session.refresh,
    )
    if revoked:
        announcements.put(connection, TokensRevoked(session.user_id, session.device_id))
    if number is not None:
        announcements.put(
            connection,
            DeviceChanged(session.user_id, session.device_id, number, session.display_name),
        )
    return bool(revoked) or number is not None


def check_account(
    connection: Connection, user_id: UserID, *, lock: bool, proven: ProvenUser | None = None
) -> None:
    """Refuse an account that nobody can use; locked, it stays usable in this transaction.

    Only who holds no device yet may lock it: all take the account before its devices.
    """
    statement = _LOCK_ACCOUNT if lock else _CHECK_ACCOUNT
    for is_deactivated, is_locked, password_hash, _ in statement.rows(
        connection, {"of_user": user_id}
    ):
        if is_deactivated:
            raise UserDeactivated
        if is_locked:
            raise UserLocked(soft_logout=True)
        if proven is not None and proven.password_hash not in (None, password_hash):
            raise WrongCredentials
        return
    raise UserDeactivated


def delete_devices(
    connection: Connection,
    announcements: ClientDataAnnouncements,
    user_id: UserID,
    device_ids: Collection[str],
) -> None:
    """Delete devices with their tokens; those that don't exist are none the worse for it."""
    # The devices first: that waits for a refresh under way, whose new tokens go then as well.
    statement = (
        sa.delete(devices)
        .where(devices.c.user_id == user_id, devices.c.device_id.in_(list(device_ids)))
        .returning(devices.c.device_id, devices.c.number)
    )
    numbers = {device_id: number for device_id, number in connection.execute(statement)}  # noqa: C416 (a row is no pair)
    _delete_tokens(connection, user_id, device_ids)
    delete_tokens_of(connection, user_id, device_ids)
    for device_id in device_ids:
        announcements.put(
            connection, TokensRevoked(user_id, device_id, removed_up_to=numbers.get(device_id))
        )


def delete_all_devices(
    connection: Connection, announcements: ClientDataAnnouncements, user_id: UserID
) -> None:
    """Delete all devices and tokens of a user, those for further logins too."""
    # First the account: that waits for a login under way, whose device goes then as well.
    account = _LOCK_ACCOUNT.run(connection, {"of_user": user_id}).first()
    newest = None if account is None else account.devices_made
    for table in (devices, access_tokens, refresh_tokens):
        connection.execute(sa.delete(table).where(table.c.user_id == user_id))
    delete_tokens_of(connection, user_id, None)
    announcements.put(connection, TokensRevoked(user_id, None, removed_up_to=newest))


def _see_device(connection: Connection, session: NewSession) -> bool:
    values = {
        "of_user": session.user_id,
        "of_device": session.device_id,
        "seen_ms": session.now_ms,
        "address": session.address,
        "user_agent": session.user_agent,
    }
    return _SEE_DEVICE.change(connection, values) > 0


def _is(table: sa.Table, user_id: str, device_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.user_id == user_id, table.c.device_id == device_id)


def _delete_tokens(connection: Connection, user_id: str, device_ids: Collection[str]) -> int:
    deleted = 0
    for table in (access_tokens, refresh_tokens):
        deleted += connection.execute(
            sa.delete(table).where(
                table.c.user_id == user_id, table.c.device_id.in_(list(device_ids))
            )
        ).rowcount
    return deleted


def _insert_tokens(
    connection: Connection,
    user_id: str,
    device_id: str,
    *,
    access: TokenHash,
    refresh: TokenHash | None,
    replaces_hash: bytes | None = None,
) -> None:
    for statement, token in ((_INSERT_ACCESS, access), (_INSERT_REFRESH, refresh)):
        if token is not None:
            statement.change(
                connection,
                {
                    "token_hash": token.token_hash,
                    "user_id": user_id,
                    "device_id": device_id,
                    "expires_at_ms": token.expires_at_ms,
                    "replaces_hash": replaces_hash,
                },
            )


def _lock_refresh(connection: Connection, refresh_hash: bytes) -> sa.Row[Any] | None:
    """Return a refresh token; nobody deletes its device until the transaction ends."""
    query = sa.select(refresh_tokens).where(refresh_tokens.c.token_hash == refresh_hash)
    found = connection.execute(query).first()
    if found is None:
        return None
    device = sa.select(devices.c.device_id).where(_is(devices, found.user_id, found.device_id))
    if connection.execute(device.with_for_update()).first() is None:
        return None
    # It may have gone while this waited for the device.
    return connection.execute(query).first()


class SessionStore:
    """Transactions over devices and tokens."""

    def __init__(
        self, database: Database, announcements: ClientDataAnnouncements, *, devices_max: int
    ) -> None:
        self._database = database
        self._announcements = announcements
        self._devices_max = devices_max

    async def insert_session(self, session: NewSession) -> None:
        """Log in on a device. Raises what `insert_session` does."""
        is_to_tell = await self._announcements.commit(
            lambda connection: insert_session(
                connection, self._announcements, session, self._devices_max
            )
        )
        if is_to_tell:
            await self._announcements.wait_announced()

    async def select_token(self, token_hash: bytes) -> StoredToken | None:
        """Return an access token, expired or not."""
        query = (
            sa.select(
                access_tokens.c.user_id,
                access_tokens.c.device_id,
                accounts.c.is_guest,
                accounts.c.is_admin,
                accounts.c.is_locked,
                accounts.c.is_suspended,
                access_tokens.c.expires_at_ms,
                devices.c.number,
                access_tokens.c.replaces_hash,
            )
            .join(accounts, accounts.c.user_id == access_tokens.c.user_id)
            .join(
                devices,
                sa.and_(
                    devices.c.user_id == access_tokens.c.user_id,
                    devices.c.device_id == access_tokens.c.device_id,
                ),
            )
            .where(access_tokens.c.token_hash == token_hash)
        )

        def select(connection: Connection) -> StoredToken | None:
            row = connection.execute(query).first()
            return None if row is None else StoredToken(*row)

        return await self._database.read(select)

    async def confirm_refresh(self, token: StoredToken) -> None:
        """Note that the tokens of a refresh arrived: those that they replace end here."""
        # No wait for leases: nobody has asked for the end of tokens that have successors.
        await self._announcements.commit(
            lambda connection: self._confirm(
                connection, token.user_id, token.device_id, token.replaces_hash
            )
        )
        await self._announcements.wait_announced()

    def _confirm(
        self, connection: Connection, user_id: str, device_id: str, replaced: bytes | None
    ) -> None:
        # Of two first uses at the same time only one finds the old token, and does the rest.
        gone = sa.delete(refresh_tokens).where(refresh_tokens.c.token_hash == replaced)
        if replaced is None or not connection.execute(gone).rowcount:
            return
        older = sa.or_(
            access_tokens.c.replaces_hash.is_(None), access_tokens.c.replaces_hash != replaced
        )
        connection.execute(
            sa.delete(access_tokens).where(_is(access_tokens, user_id, device_id), older)
        )
        for table in (access_tokens, refresh_tokens):
            connection.execute(
                sa.update(table)
                .where(_is(table, user_id, device_id), table.c.replaces_hash == replaced)
                .values(replaces_hash=None)
            )
        self._announcements.put(connection, TokensRevoked(user_id, device_id))

    async def refresh(
        self, refresh_hash: bytes, now_ms: int, access: TokenHash, refresh: TokenHash
    ) -> tuple[UserID, DeviceID] | bool:
        """Give new tokens for a refresh token, which stays valid until one of them is used.

        A repeat gives others instead of those that were given before. Answers with the device,
        or, where there is none, with whether the token was known and has expired. Raises
        `UserLocked`.
        """

        def work(connection: Connection) -> tuple[UserID, DeviceID] | bool:
            row = _lock_refresh(connection, refresh_hash)
            if row is None:
                return False
            check_account(connection, row.user_id, lock=False)
            if row.expires_at_ms is not None and row.expires_at_ms <= now_ms:
                return True
            for table in (access_tokens, refresh_tokens):
                connection.execute(
                    sa.delete(table).where(
                        _is(table, row.user_id, row.device_id),
                        table.c.replaces_hash == refresh_hash,
                    )
                )
            self._confirm(connection, row.user_id, row.device_id, row.replaces_hash)
            _insert_tokens(
                connection,
                row.user_id,
                row.device_id,
                access=access,
                refresh=refresh,
                replaces_hash=refresh_hash,
            )
            return row.user_id, row.device_id

        return await self._announcements.write(work)

    async def delete_devices(
        self, user_id: UserID, device_ids: Collection[str], session_id: str | None = None
    ) -> None:
        """Delete devices and tokens, and the interactive session that allowed it.

        Raises `SessionOver`.
        """

        def delete(connection: Connection) -> None:
            end_session(connection, session_id)
            delete_devices(connection, self._announcements, user_id, device_ids)

        await self._announcements.write(delete)

    async def delete_all_devices(self, user_id: UserID) -> None:
        """Delete all devices and tokens of a user."""
        await self._announcements.write(
            lambda connection: delete_all_devices(connection, self._announcements, user_id)
        )

    async def select_addresses(self, user_id: UserID) -> set[str]:
        """Return the network addresses from which a user has logged in on their devices."""
        query = (
            sa.select(devices.c.last_seen_address)
            .where(devices.c.user_id == user_id, devices.c.last_seen_address.is_not(None))
            .distinct()
        )
        return await self._database.read(lambda connection: set(connection.scalars(query)))

    async def update_last_seen(self, seen: Iterable[tuple[tuple[str, str], int]]) -> None:
        """Note when devices were last seen, given as ((user ID, device ID), ms)."""
        rows = [
            {"of_user": user_id, "of_device": device_id, "seen_ms": seen_ms}
            for (user_id, device_id), seen_ms in sorted(seen)
        ]
        seen_ms = sa.bindparam("seen_ms", type_=sa.BigInteger)
        statement = (
            sa.update(devices)
            .where(
                devices.c.user_id == sa.bindparam("of_user"),
                devices.c.device_id == sa.bindparam("of_device"),
                devices.c.last_seen_ms < seen_ms,
            )
            .values(last_seen_ms=seen_ms)
        )
        if rows:
            await self._database.write(lambda connection: connection.execute(statement, rows))
