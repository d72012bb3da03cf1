"""The push rules of users who sync, compiled, as their account data has them."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from cachetools import LRUCache

from matrix.canonical import decode_json
from matrix.errors import MatrixError
from matrix.identifiers import UserID
from matrix.push_rules.evaluation import PushRules
from matrix.push_rules.in_room import RulesByRoom
from matrix.push_rules.predefined import default_push_rules

PUSH_RULES: Final = "m.push_rules"


class UserRules:
    """The rules of one user."""

    __slots__ = ("_made_of", "by_room", "checked_at")

    def __init__(self, user_id: str, content: bytes | None) -> None:
        """Take the content of `m.push_rules`; without one the predefined rules hold."""
        self._made_of: Final = _digest(content)
        self.by_room: Final = RulesByRoom(PushRules(user_id, _parsed(user_id, content)).rules)
        self.checked_at = 0
        """The order of the user's last change of account data when this was looked up."""

    def is_made_of(self, content: bytes | None) -> bool:
        """Whether these are the rules of such a content."""
        return self._made_of == _digest(content)


class KnownRules:
    """The rules of those who synced last, as of some order of their account data."""

    def __init__(self, most: int) -> None:
        self._users: Final[LRUCache[str, UserRules]] = LRUCache(most)

    def get(self, user_id: str, account_data_order: int) -> UserRules | None:
        """Return a user's rules; None if their account data has changed since they were known."""
        known = self._users.get(user_id)
        return known if known is not None and known.checked_at == account_data_order else None

    def learn(self, user_id: str, account_data_order: int, content: bytes | None) -> UserRules:
        """Return a user's rules: those that are known, if they are still the same."""
        known = self._users.get(user_id)
        if known is None or not known.is_made_of(content):
            known = self._users[user_id] = UserRules(user_id, content)
        known.checked_at = account_data_order
        return known


def _digest(content: bytes | None) -> bytes | None:
    return None if content is None else sha256(content).digest()


def _parsed(user_id: str, content: bytes | None) -> Mapping[str, Any]:
    if content is None:
        return default_push_rules(UserID(user_id))
    try:
        parsed = decode_json(content)
    except MatrixError:
        return {}  # what cannot be read lets nothing notify
    return parsed if type(parsed) is dict else {}
