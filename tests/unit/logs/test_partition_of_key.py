"""Keys go to the partitions that Kafka's Java client would choose."""

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from logs.log import key_hash, partition_of_key


# The vectors of Kafka's own UtilsTest.
@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_hash_is_that_of_the_java_client(key: str, hashed: int) -> None:
    assert key_hash(key.encode()) == hashed & 0xFFFFFFFF


@given(st.binary(max_size=100))
def test_the_hash_agrees_with_another_implementation(key: bytes) -> None:
    assert key_hash(key) == murmur2(key) & 0xFFFFFFFF


@given(st.text(max_size=60), st.integers(1, 64))
def test_a_key_has_one_partition(key: str, partitions: int) -> None:
    assert 0 <= partition_of_key(key, partitions) < partitions
    assert partition_of_key(key, 1) == 0
