import pytest

from bench.client import User, message_request, room_path, sync_path, timeline_filter, token_in


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (b'{"next_batch":"s1_2","rooms":{}}', "s1_2"),
        (b'{"rooms": {}, "next_batch": "s1_2"}', "s1_2"),
        (rb'{"next_batch":"s1\/2"}', "s1/2"),
        (b'{"rooms":{}}', None),
        (b'{"next_batch', None),
        (b"", None),
    ],
)
def test_a_token_is_found_without_parsing(body: bytes, token: str | None) -> None:
    assert token_in(body, b"next_batch") == token


def test_paths_are_quoted() -> None:
    assert room_path("!a/b:x", "state").endswith("/rooms/%21a%2Fb%3Ax/state")
    assert "since=a%26b" in sync_path(since="a&b")


def test_a_message_carries_its_number_and_a_transaction_id_of_its_own() -> None:
    alice = User("@alice:x", "token", "PHONE")

    first, second = (message_request(alice, "!room:x", number) for number in (1, 2))

    assert b'"bench_n":1' in first
    assert first.split(b" ")[1] != second.split(b" ")[1]


def test_a_lazy_filter_says_so() -> None:
    assert "lazy_load_members" in timeline_filter(20, lazy=True)
    assert "lazy_load_members" not in timeline_filter(20)
