"""Cross-signing keys and signatures of keys, in a transaction."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from base.database import Connection, upsert_into
from components.keyserver.store.tables import cross_signing_keys, key_signatures

_UPSERT_KEY: Final = upsert_into(cross_signing_keys, "public_key", "key")
_UPSERT_SIGNATURE: Final = upsert_into(key_signatures, "signature")


def select_public_keys(connection: Connection, user_id: str) -> dict[str, str]:
    """Return the public keys of a user's cross-signing keys, by usage."""
    of = cross_signing_keys.c
    rows = connection.execute(sa.select(of.usage, of.public_key).where(of.user_id == user_id))
    return {usage: public_key for usage, public_key in rows}  # noqa: C416 (a row is no pair)


def upsert_cross_signing_key(
    connection: Connection, user_id: str, usage: str, public_key: str, key: bytes
) -> None:
    """Put a cross-signing key in the place of the one before."""
    values = {"user_id": user_id, "usage": usage, "public_key": public_key, "key": key}
    _UPSERT_KEY.run(connection, values)


def delete_cross_signing_key(connection: Connection, user_id: str, usage: str) -> None:
    """Delete one cross-signing key of a user."""
    of = cross_signing_keys.c
    connection.execute(
        sa.delete(cross_signing_keys).where(of.user_id == user_id, of.usage == usage)
    )


def delete_cross_signing_keys(connection: Connection, user_id: str) -> bool:
    """Delete all cross-signing keys of a user; false when there were none."""
    of = cross_signing_keys.c
    statement = sa.delete(cross_signing_keys).where(of.user_id == user_id)
    return connection.execute(statement).rowcount > 0


def upsert_signatures(
    connection: Connection,
    target_user_id: str,
    target_id: str,
    signer_id: str,
    signatures: Mapping[str, str],
) -> None:
    """Add signatures of a user to a device or master key."""
    _UPSERT_SIGNATURE.run_many(
        connection,
        [
            {
                "target_user_id": target_user_id,
                "target_id": target_id,
                "signer_id": signer_id,
                "key_id": key_id,
                "signature": signature,
            }
            for key_id, signature in signatures.items()
        ],
    )


def delete_signatures_with(connection: Connection, user_id: str, public_key: str) -> None:
    """Delete the signatures that a cross-signing key of a user made, and those on it."""
    of = key_signatures.c
    made = sa.and_(of.signer_id == user_id, of.key_id == f"ed25519:{public_key}")
    had = sa.and_(of.target_user_id == user_id, of.target_id == public_key)
    connection.execute(sa.delete(key_signatures).where(sa.or_(made, had)))
