"""What the settings say of the other processes: where they are, and the secret that all share."""

import msgspec

from deploy.errors import StartRefused
from deploy.settings import InternalSettings
from deploy.settings.secret_files import secret_of


def urls_of(settings: InternalSettings) -> dict[str, tuple[str, ...]]:
    """Return the URLs of each component, perhaps none."""
    given = msgspec.structs.asdict(settings.urls)
    return {name: (urls,) if isinstance(urls, str) else urls for name, urls in given.items()}


def internal_secret(settings: InternalSettings) -> str:
    """Return the shared secret, or raise `StartRefused`."""
    if not (settings.secret or settings.secret_path):
        raise StartRefused(
            "Components in different processes need a shared secret.",
            "Set internal.secret or internal.secret_path; make one with: openssl rand -hex 32",
        )
    return secret_of(settings.secret, settings.secret_path, "internal.secret")
