"""Which requests of clients the media server answers."""

from typing import Final

from describing.public_paths import CLIENT, PublicPath

PUBLIC_PATHS: Final = (
    PublicPath("/_matrix/media/**"),
    PublicPath(f"{CLIENT}/media/**"),
)
