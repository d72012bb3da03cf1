"""Access tokens that are known from memory."""

import asyncio
import hashlib
from typing import Final

from cachetools import LRUCache

from internalapi.userapi import Requester


def hash_of_token(access_token: str) -> bytes:
    """Return what is kept of an access token: whatever a client sends is taken for one."""
    return hashlib.sha256(access_token.encode("utf-8", "replace")).digest()


class KnownToken:
    """Whose token it is, until when, and whether the account is locked."""

    __slots__ = ("device", "is_locked", "requester")

    def __init__(self, requester: Requester, *, is_locked: bool) -> None:
        self.requester: Final = requester
        self.is_locked: Final = is_locked
        self.device: Final[tuple[str, str]] = (requester.user_id, requester.device_id)

    def is_expired(self, now_ms: int) -> bool:
        """Whether the token's time is over."""
        expires_at_ms = self.requester.expires_at_ms
        return expires_at_ms is not None and expires_at_ms <= now_ms


class TokenCache:
    """A bounded map from token hash to `KnownToken`, which forgets by user and device.

    It takes nothing while it is not listening: what nobody says to be revoked must not be kept.
    """

    def __init__(self, size: int) -> None:
        self._of_user: dict[str, set[bytes]] = {}
        self._known = _LeastRecentlyUsed(size, self._of_user)
        self.listens: Final = asyncio.Event()
        """Set while tokens are kept."""
        self.generation = 0
        """Counts what was forgotten, so that an answer read before is not kept after it."""

    def __len__(self) -> int:
        """Return how many tokens are known."""
        return len(self._known)

    def get(self, token_hash: bytes) -> KnownToken | None:
        """Return what is known of a token."""
        try:
            return self._known[token_hash]
        except KeyError:
            return None

    def put(self, token_hash: bytes, token: KnownToken, generation: int) -> None:
        """Keep a token as it was read at this generation, unless something was forgotten since."""
        if self.listens.is_set() and generation == self.generation:
            self._known[token_hash] = token
            self._of_user.setdefault(token.requester.user_id, set()).add(token_hash)

    def forget(self, user_id: str, device_id: str | None) -> None:
        """Forget the tokens of a device, or of all devices of the user."""
        self.generation += 1
        for token_hash in list(self._of_user.get(user_id, ())):
            if device_id in (None, self._known[token_hash].requester.device_id):
                del self._known[token_hash]

    def forget_all(self) -> None:
        """Forget all tokens of all users."""
        self.generation += 1
        self._known.clear()

    def listen(self) -> None:
        """Begin to keep tokens, now that revocations are heard of."""
        self.listens.set()

    def stop(self) -> None:
        """Keep none, and forget all."""
        self.listens.clear()
        self.forget_all()


class _LeastRecentlyUsed(LRUCache[bytes, KnownToken]):
    """The map itself. Whatever leaves it, also by being evicted, leaves the index by user."""

    def __init__(self, size: int, of_user: dict[str, set[bytes]]) -> None:
        super().__init__(maxsize=size)
        self._of_user = of_user

    def __delitem__(self, token_hash: bytes) -> None:
        user_id = self[token_hash].requester.user_id
        super().__delitem__(token_hash)
        hashes = self._of_user[user_id]
        hashes.discard(token_hash)
        if not hashes:
            del self._of_user[user_id]
