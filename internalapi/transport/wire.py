"""What both sides of an internal call agree on."""

from typing import Final

CONTENT_TYPE: Final = "application/msgpack"
ERROR_CONTENT_TYPE: Final = "application/x-xylem-error"
PATH_PREFIX: Final = "/internal/"
DEADLINE_HEADER: Final = "x-xylem-deadline"
"""Seconds that the caller still waits."""
REQUEST_ID_HEADER: Final = "x-request-id"
SHARES_HEADER: Final = "x-xylem-shares"
"""What the answering process has in memory, numbers with commas between them."""
MAX_BODY_BYTES: Final = 64 << 20
