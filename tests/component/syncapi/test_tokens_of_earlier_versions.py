"""Tokens that earlier versions gave to clients are read by later ones."""

import pytest

from components.syncapi.streams.catalogue import STREAMS
from components.syncapi.tokens import Era, Slot, SyncTokens

BEFORE_RECEIPTS = "ATtso4kBBOgHCADqAgQFAQI"
"""Of rooms and account data, over two partitions."""
WITH_RECEIPTS_AND_TYPING = "ATtswzgBBOgHCADqAgQFAQIDBAAHRgAEBAgBAQ"
NOW = ()


@pytest.mark.parametrize(
    ("token", "receipts", "typing"),
    [(BEFORE_RECEIPTS, NOW, NOW), (WITH_RECEIPTS_AND_TYPING, (70, 0), (9, 8))],
)
def test_a_token_of_an_earlier_version_says_what_it_said(
    token: str, receipts: tuple[int, ...], typing: tuple[int, ...]
) -> None:
    position = _tokens(*[kind.name for kind in STREAMS]).decode(token)

    told = {kind.name: offsets for kind, offsets in zip(STREAMS, position, strict=True)}
    assert told["rooms"] == (1000, 1234)
    assert told["client data"] == (5, 6)
    assert (told["receipts"], told["typing"]) == (receipts, typing)


def test_a_place_in_a_timeline_of_an_earlier_version_says_what_it_said() -> None:
    assert _tokens("rooms").decode_place("t1234_d3266c3b", 0) == 1234


def test_the_same_positions_give_the_same_token() -> None:
    tokens = _tokens("rooms", "client data", "receipts", "typing")

    assert tokens.encode(((1000, 1234), (5, 6), (70, 0), (9, 8))) == WITH_RECEIPTS_AND_TYPING


def _tokens(*names: str) -> SyncTokens:
    kinds = [kind for kind in STREAMS if kind.name in names]
    slots = [Slot(kind.number, 2, kind.absent) for kind in kinds]
    return SyncTokens([Era("generation", None)], slots)
