"""What the settings say of the other processes: where they are, and the secret that all share."""

from pathlib import Path

import msgspec

from deploy.errors import StartRefused
from deploy.settings import InternalSettings


def urls_of(settings: InternalSettings) -> dict[str, tuple[str, ...]]:
    """Return the URLs of each component, perhaps none."""
    given = msgspec.structs.asdict(settings.urls)
    return {name: (urls,) if isinstance(urls, str) else urls for name, urls in given.items()}


def internal_secret(settings: InternalSettings) -> str:
    """Return the shared secret, or raise `StartRefused`."""
    if settings.secret_path:
        try:
            secret = Path(settings.secret_path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StartRefused(
                f"The shared secret {settings.secret_path} cannot be read: {error}",
                "Name a file with one line of ASCII text in internal.secret_path.",
            ) from error
    else:
        secret = settings.secret
    if not secret:
        raise StartRefused(
            "Components in different processes need a shared secret.",
            "Set internal.secret or internal.secret_path; make one with: openssl rand -hex 32",
        )
    return secret
