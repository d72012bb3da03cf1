"""All tables of the key server."""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()

key_users: Final = sa.Table(
    "key_users",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    # Up to which number the user API has told of the user's devices: one with such a number that is
    # not in `key_devices` is gone.
    sa.Column("devices_told", sa.BigInteger, nullable=False),
    # How often devices of the user were removed.
    sa.Column("removals", sa.BigInteger, nullable=False),
)

key_devices: Final = sa.Table(
    "key_devices",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("display_name", sa.Text),
    # Identity keys, JSON, with the device's own signature.
    sa.Column("keys", sa.LargeBinary),
    # The place of the next one-time key among those of the device.
    sa.Column("next_place", sa.BigInteger, nullable=False),
)

one_time_keys: Final = sa.Table(
    "one_time_keys",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("algorithm", sa.Text, primary_key=True),
    # Places grow in the order of uploads, in which keys are given away.
    sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("key", sa.LargeBinary, nullable=False),
    sa.Index("one_time_keys_by_id", "user_id", "device_id", "algorithm", "key_id", unique=True),
)

fallback_keys: Final = sa.Table(
    "fallback_keys",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("algorithm", sa.Text, primary_key=True),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("key", sa.LargeBinary, nullable=False),
    sa.Column("is_used", sa.Boolean, nullable=False),
)

# What a client needs to go on with a user's dehydrated device; its keys are with those of others.
dehydrated_devices: Final = sa.Table(
    "dehydrated_devices",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    # JSON object.
    sa.Column("device_data", sa.LargeBinary, nullable=False),
)

cross_signing_keys: Final = sa.Table(
    "cross_signing_keys",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("usage", sa.Text, primary_key=True),
    sa.Column("public_key", sa.Text, nullable=False),
    # JSON, with the master key's signature where another key has one.
    sa.Column("key", sa.LargeBinary, nullable=False),
)

# What was signed after it was uploaded. The target is a device, or a master key by its public key.
key_signatures: Final = sa.Table(
    "key_signatures",
    METADATA,
    sa.Column("target_user_id", sa.Text, primary_key=True),
    sa.Column("target_id", sa.Text, primary_key=True),
    sa.Column("signer_id", sa.Text, primary_key=True),
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Index("key_signatures_by_signer", "signer_id", "key_id"),
)
