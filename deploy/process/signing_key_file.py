"""The file with the server's signing key: one line `ed25519 <version> <Base64 seed>`."""

import os
import secrets
from pathlib import Path

from deploy.errors import StartRefused
from matrix.errors import MatrixError
from matrix.signing import SigningKey


def read_signing_key(path: Path) -> SigningKey:
    """Return the key in this file, or raise `StartRefused`."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise StartRefused(
            f"The signing key {path} is missing.",
            "Restore it from the backup. Only for a new server, or if it is lost: make one with "
            f"xylem generate-keys --output {path}",
        ) from error
    except OSError as error:
        raise StartRefused(
            f"The signing key {path} cannot be read: {error.strerror}.",
            "Give the file to the user that runs the server.",
        ) from error
    except UnicodeDecodeError as error:
        raise StartRefused(f"The signing key {path} is not a key file.") from error
    try:
        return SigningKey.from_text(text)
    except MatrixError as error:
        raise StartRefused(
            f"The signing key {path} is not valid: {error}",
            "Restore it from the backup, or name the right file in signing_key_path.",
        ) from error


def write_new_signing_key(path: Path) -> SigningKey:
    """Make a key, write it to a file that only its owner can read, and return it.

    Raises `StartRefused` where the file exists: a key is never overwritten.
    """
    key = SigningKey.generate(secrets.token_hex(3), secrets.token_bytes(32))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise StartRefused(
            f"The file {path} exists already; keys are never overwritten.",
            "Move it away first, or name another file with --output.",
        ) from error
    except OSError as error:
        raise StartRefused(
            f"The signing key {path} cannot be written: {error.strerror}."
        ) from error
    with os.fdopen(file, "w") as opened:
        opened.write(key.to_text() + "\n")
        opened.flush()
        os.fsync(file)
    return key
