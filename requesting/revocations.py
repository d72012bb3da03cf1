"""Follows OutputClientData for tokens that other replicas have revoked."""

from collections.abc import Sequence

from logs.log import Log, Record
from logs.records.client_data import AccountStatusChanged, OutputClientData, TokensRevoked
from logs.tail_reader import Decoding, TailReader
from logs.topics import OUTPUT_CLIENT_DATA
from requesting.token_cache import TokenCache


def revocations(log: Log, cache: TokenCache, reader: str) -> TailReader[OutputClientData]:
    """Return what keeps tokens in memory only while revocations are heard of.

    `reader` is its name among what is counted.
    """

    def take(records: Sequence[tuple[Record, OutputClientData | None]]) -> None:
        for _, value in records:
            if value is None:
                # It may have been a revocation, of anybody.
                cache.forget_all()
            elif isinstance(value, TokensRevoked):
                cache.forget(value.user_id, value.device_id)
            elif isinstance(value, AccountStatusChanged):
                cache.forget(value.user_id, None)

    return TailReader(
        log, Decoding(reader, OUTPUT_CLIENT_DATA), take, begin=cache.listen, pause=cache.stop
    )
