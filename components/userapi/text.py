"""Names that clients choose, as far as the database can hold and the server will keep them."""

from matrix.errors import InvalidParam


def checked_name(text: str, what: str, *, bytes_max: int = 255) -> str:
    """Return a name as it is. Raises `InvalidParam` for one with a NUL or too long."""
    if "\0" in text or len(text.encode()) > bytes_max:
        raise InvalidParam(f"The {what} has a NUL in it or is longer than {bytes_max} bytes.")
    return text
