"""Which requests of clients the key server answers."""

from typing import Final

from describing.public_paths import CLIENT, PublicPath

PUBLIC_PATHS: Final = (
    PublicPath(f"{CLIENT}/keys/{{claim,query,upload}}"),
    PublicPath(f"{CLIENT}/keys/{{device_signing,signatures}}/upload"),
    PublicPath(f"{CLIENT}/room_keys/**"),
)
"""`/keys/changes` is client sync's, which knows the tokens."""
