"""Which requests of clients the key server answers."""

from typing import Final

from describing.public_paths import CLIENT, PublicPath

PUBLIC_PATHS: Final = (PublicPath(f"{CLIENT}/keys/{{claim,query,upload}}"),)
"""`/keys/changes` is client sync's, which knows the tokens."""
