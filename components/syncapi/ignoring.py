"""Whom a user ignores, by their account data (client-server API, "Ignoring Users")."""

from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

IGNORED_USER_LIST: Final = "m.ignored_user_list"
NOBODY: Final[AbstractSet[str]] = frozenset()


class _Content(msgspec.Struct):
    ignored_users: dict[str, msgspec.Raw] = {}


_decode: Final = msgspec.json.Decoder(_Content).decode


def ignored_users(user_id: str, content: bytes) -> AbstractSet[str]:
    """Return whom the content of `m.ignored_user_list` lets a user ignore: never themselves.

    A content that is not as specified ignores nobody.
    """
    try:
        ignored = _decode(content).ignored_users
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return NOBODY
    return frozenset(ignored.keys() - {user_id}) or NOBODY
