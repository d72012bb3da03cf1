"""Which requests of clients the key server answers."""

from typing import Final

from describing.public_paths import CLIENT, FORMER, PublicPath

PUBLIC_PATHS: Final = (
    PublicPath(f"{CLIENT}/keys/{{claim,query,upload}}"),
    PublicPath(f"{CLIENT}/keys/{{device_signing,signatures}}/upload"),
    PublicPath(f"{CLIENT}/room_keys/**"),
    PublicPath(f"{FORMER}/org.matrix.{{msc2697.v2,msc3814.v1}}/dehydrated_device"),
)
"""`/keys/changes` is client sync's, which knows the tokens, and so is what dehydrated devices were
sent."""
