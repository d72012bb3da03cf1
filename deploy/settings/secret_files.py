"""Secrets that the settings hold themselves, or that a file does."""

from pathlib import Path
from typing import Final

from deploy.errors import StartRefused

SECRET_CHARACTERS_MIN: Final = 16
"""What is shorter can be guessed."""
HOW_TO_MAKE_ONE: Final = "Make one: openssl rand -hex 32"


def secret_of(given: str, path: str, setting: str) -> str:
    """Return the secret that a setting holds, or the file that `{setting}_path` names.

    Raises `StartRefused` where there is none, for a file that cannot be read, and for a secret
    that is too short.
    """
    if path:
        try:
            secret = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StartRefused(
                f"The secret {path} cannot be read: {error}",
                f"Name a file with one line of ASCII text in {setting}_path.",
            ) from error
    else:
        secret = given
    if not secret:
        raise StartRefused(f"{setting} or {setting}_path is not set.", HOW_TO_MAKE_ONE)
    if len(secret) < SECRET_CHARACTERS_MIN:
        raise StartRefused(
            f"{path or setting} has fewer than {SECRET_CHARACTERS_MIN} characters.", HOW_TO_MAKE_ONE
        )
    return secret
