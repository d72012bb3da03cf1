"""Sync tokens keep what was put in, stay short, and tell damage from age."""

import base64
import binascii
import random
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs.positions import (
    TokenContents,
    TokenFromOtherGeneration,
    TokenInvalid,
    decode_token,
    encode_token,
)

GENERATION = "f00d"
OFFSETS = st.dictionaries(
    st.integers(0, 300),
    st.dictionaries(st.integers(0, 63), st.integers(0, 2**63 - 1), min_size=1, max_size=20),
    max_size=6,
)


@given(OFFSETS, st.text(max_size=20))
def test_a_token_says_what_was_put_into_it(
    offsets: dict[int, dict[int, int]], generation: str
) -> None:
    contents = TokenContents(generation, offsets)

    assert decode_token(encode_token(contents), [generation]) == contents


@given(OFFSETS)
def test_a_token_is_made_of_characters_that_urls_leave_alone(
    offsets: dict[int, dict[int, int]],
) -> None:
    token = encode_token(TokenContents(GENERATION, offsets))

    assert all(character.isalnum() or character in "-_" for character in token)
    assert token.isascii()


@given(OFFSETS, st.data())
def test_a_token_with_one_character_changed_is_refused(
    offsets: dict[int, dict[int, int]], data: st.DataObject
) -> None:
    token = encode_token(TokenContents(GENERATION, offsets))
    place = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("AZaz09-_").filter(lambda letter: letter != token[place]))

    with pytest.raises((TokenInvalid, TokenFromOtherGeneration)):
        decode_token(token[:place] + other + token[place + 1 :], [GENERATION])


@given(OFFSETS, st.data())
def test_a_token_that_was_cut_is_refused(
    offsets: dict[int, dict[int, int]], data: st.DataObject
) -> None:
    token = encode_token(TokenContents(GENERATION, offsets))
    length = data.draw(st.integers(0, len(token) - 2))

    with pytest.raises(TokenInvalid):
        decode_token(token[:length], [GENERATION])


@given(st.text(max_size=400))
def test_any_other_text_is_refused_without_another_error(text: str) -> None:
    with pytest.raises((TokenInvalid, TokenFromOtherGeneration)):
        decode_token(text, [GENERATION])


@given(st.binary(max_size=60))
def test_bytes_with_a_right_checksum_are_decoded_or_refused(body: bytes) -> None:
    head = b"\x01" + (crc32(GENERATION.encode()) & 0xFFFF).to_bytes(2, "little")
    checksum = binascii.crc_hqx(body, binascii.crc_hqx(head, 0)).to_bytes(2, "little")
    token = base64.urlsafe_b64encode(head + checksum + body).rstrip(b"=").decode()

    try:
        contents = decode_token(token, [GENERATION])
    except TokenInvalid:
        return
    assert contents.generation == GENERATION


def test_a_token_of_another_generation_is_told_from_a_damaged_one() -> None:
    token = encode_token(TokenContents("before", {0: {0: 17}}))

    with pytest.raises(TokenFromOtherGeneration):
        decode_token(token, ["after"])


@pytest.mark.parametrize("seed", range(20))
def test_a_token_of_four_topics_with_sixteen_partitions_is_at_most_256_characters(
    seed: int,
) -> None:
    chance = random.Random(seed)
    offsets = {
        topic: {number: int(size * chance.uniform(0.95, 1.05)) for number in range(16)}
        for topic, size in enumerate((20_000_000, 5_000_000, 1_000_000, 10_000_000))
    }

    assert len(encode_token(TokenContents(GENERATION, offsets))) <= 256


def test_a_token_of_one_process_is_short() -> None:
    offsets = {topic: {0: 1_000_000 + topic} for topic in range(4)}

    assert len(encode_token(TokenContents(GENERATION, offsets))) <= 40


@pytest.mark.parametrize("offsets", [{-1: {0: 1}}, {0: {-1: 1}}, {0: {0: -1}}, {0: {0: 2**63}}])
def test_numbers_that_no_log_has_are_refused(offsets: dict[int, dict[int, int]]) -> None:
    with pytest.raises(ValueError, match="number"):
        encode_token(TokenContents(GENERATION, offsets))
