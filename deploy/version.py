"""Which version of Xylem this is."""

from importlib import metadata


def version() -> str:
    """Return the version of the installed distribution, or `development` in a bare checkout."""
    try:
        return metadata.version("xylem-homeserver")
    except metadata.PackageNotFoundError:
        return "development"
