"""Calls of an internal API: arguments, results, errors, deadlines and cancellation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec
import pytest

import matrix.errors
from base.http import current_request_id, request_id
from internalapi.deadlines import DeadlineExceeded, deadline, remaining_s
from matrix.errors import (
    Forbidden,
    LimitExceeded,
    MatrixError,
    NotFound,
    Unavailable,
    UnknownToken,
    WrongRoomKeysVersion,
)
from matrix.events import Event
from matrix.identifiers import EventID, RoomID, UserID
from matrix.room_versions import ROOM_VERSIONS

Connect = Callable[[type[Any], Any], AbstractAsyncContextManager[Any]]

ROOM = RoomID("!room:example.org")
ALICE = UserID("@alice:example.org")


class ShelfUnknown(NotFound):
    """There is no such shelf."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a book stands."""

    shelf: int
    row: int


class ShelfFull(Exception):
    """The shelf takes no more; it says where there is room, and what stands there."""

    elsewhere: Place
    latest: Event | None

    def __init__(self, elsewhere: Place, latest: Event | None = None) -> None:
        super().__init__("full")
        self.elsewhere = elsewhere
        self.latest = latest


class Book(msgspec.Struct, frozen=True):
    """A struct of all that structs are made of."""

    room_id: RoomID
    pages: dict[EventID, str]
    place: Place
    content: dict[str, Any]
    readers: list[tuple[UserID, int]]
    cover: bytes
    title: str | None = None


class Library(Protocol):
    """An API of every kind of argument and result."""

    async def query_book(
        self, *, room_id: RoomID, keys: list[tuple[str, str]], place: Place | None = None
    ) -> Book | None:
        """Return a book made of the arguments."""
        ...

    async def query_anything(self, *, value: Any) -> Any:
        """Return a JSON value as it came."""
        ...

    async def query_bytes(self, *, data: bytes) -> bytes:
        """Return the bytes."""
        ...

    async def query_events(self, *, events: list[Event], one: Event | None) -> list[Event]:
        """Return the events, and one more."""
        ...

    async def perform_nothing(self) -> None:
        """Do nothing."""
        ...

    async def perform_failure(self, *, number: int) -> bool:
        """Raise the error of this number."""
        ...

    async def perform_wait(self) -> None:
        """Wait until cancelled."""
        ...

    async def query_surroundings(self) -> tuple[str, float | None]:
        """Return the request ID and the seconds until the deadline."""
        ...


class Shelves:
    """An implementation of Library."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = failures
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def query_book(
        self, *, room_id: RoomID, keys: list[tuple[str, str]], place: Place | None = None
    ) -> Book | None:
        if not keys:
            return None
        return Book(
            room_id=room_id,
            pages={EventID(key): value for key, value in keys},
            place=place or Place(0, 0),
            content={"deep": [{"a": None, "b": 1.5}], "no": {}},
            readers=[(ALICE, 2**53)],
            cover=b"\x00\xff",
        )

    async def query_anything(self, *, value: Any) -> Any:
        return value

    async def query_bytes(self, *, data: bytes) -> bytes:
        return data

    async def query_events(self, *, events: list[Event], one: Event | None) -> list[Event]:
        return [*events, one] if one is not None else events

    async def perform_nothing(self) -> None:
        self.started.set()

    async def perform_failure(self, *, number: int) -> bool:
        raise self.failures[number]

    async def perform_wait(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def query_surroundings(self) -> tuple[str, float | None]:
        return current_request_id(), remaining_s()


@pytest.fixture
def shelves() -> Shelves:
    return Shelves()


@pytest.fixture
async def library(connect: Connect, shelves: Shelves) -> AsyncIterator[Library]:
    async with connect(Library, shelves) as api:
        yield api


def message(version: str, text: str) -> Event:
    pdu: dict[str, Any] = {
        "type": "m.room.message",
        "room_id": ROOM,
        "sender": ALICE,
        "content": {"body": text},
        "origin_server_ts": 1,
        "depth": 7,
        "prev_events": [],
        "auth_events": [],
        "hashes": {"sha256": "x"},
        "signatures": {},
    }
    if ROOM_VERSIONS[version].has_event_id_field:
        pdu["event_id"] = "$chosen:example.org"
        pdu["prev_events"] = [["$before:example.org", {"sha256": "x"}]]
    return Event(pdu, ROOM_VERSIONS[version])


async def test_arguments_and_results_keep_their_types(library: Library) -> None:
    book = await library.query_book(room_id=ROOM, keys=[("a", "b"), ("c", "d")], place=Place(1, 2))

    assert book == Book(
        room_id=ROOM,
        pages={EventID("a"): "b", EventID("c"): "d"},
        place=Place(1, 2),
        content={"deep": [{"a": None, "b": 1.5}], "no": {}},
        readers=[(ALICE, 2**53)],
        cover=b"\x00\xff",
    )


async def test_an_argument_may_be_left_to_its_default(library: Library) -> None:
    book = await library.query_book(room_id=ROOM, keys=[("a", "b")])

    assert book is not None
    assert book.place == Place(0, 0)


async def test_absence_is_none(library: Library) -> None:
    assert await library.query_book(room_id=ROOM, keys=[]) is None


async def test_a_method_without_arguments_and_result_is_called(
    library: Library, shelves: Shelves
) -> None:
    await library.perform_nothing()

    assert shelves.started.is_set()


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**63),
        2**64 - 1,
        10**40,
        -(10**40),
        1.5,
        "",
        "é\u0000\U0001f600",
        [],
        {},
        {"a": [{"b": [1, "2", None, 10**30]}], "": ""},
    ],
)
async def test_any_json_value_arrives_as_it_was(library: Library, value: Any) -> None:
    assert await library.query_anything(value=value) == value


async def test_much_data_crosses_both_ways(library: Library) -> None:
    data = bytes(range(256)) * 40_000

    assert await library.query_bytes(data=data) == data


@pytest.mark.parametrize("version", ["1", "3", "6", "12"])
async def test_events_cross_whole(library: Library, version: str) -> None:
    first, second = message(version, "one"), message(version, "two")

    events = await library.query_events(events=[first], one=second)

    assert [event.event_id for event in events] == [first.event_id, second.event_id]
    for came, went in zip(events, (first, second), strict=True):
        for name in Event.__slots__:
            assert getattr(came, name) == getattr(went, name), name


async def test_many_calls_run_at_once(library: Library) -> None:
    answers = await asyncio.gather(*[library.query_anything(value=n) for n in range(300)])

    assert answers == list(range(300))


async def test_a_missing_or_unknown_argument_is_a_type_error(library: Library) -> None:
    with pytest.raises(TypeError):
        await library.query_anything()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        await library.query_anything(value=1, other=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        await library.query_anything(1)  # type: ignore[call-arg]


def all_refusals() -> list[type[MatrixError]]:
    return [
        kind
        for kind in vars(matrix.errors).values()
        if isinstance(kind, type)
        and issubclass(kind, MatrixError)
        # These are made of values of their own (`test_errors_keep_their_fields`).
        and kind not in {LimitExceeded, WrongRoomKeysVersion}
    ]


@pytest.mark.parametrize("kind", all_refusals(), ids=lambda kind: kind.__name__)
async def test_a_refusal_is_raised_as_the_same_type(
    connect: Connect, kind: type[MatrixError]
) -> None:
    async with connect(Library, Shelves(kind("because", detail=[1, "a"]))) as library:
        with pytest.raises(MatrixError) as raised:
            await library.perform_failure(number=0)

    assert type(raised.value) is kind
    assert raised.value.body() == kind("because", detail=[1, "a"]).body()
    assert str(raised.value) == "because"


async def test_errors_keep_their_fields(connect: Connect) -> None:
    latest = message("12", "latest")
    shelves = Shelves(
        LimitExceeded(1500),
        UnknownToken(soft_logout=True),
        ShelfUnknown("third"),
        ShelfFull(Place(1, 2), latest),
        WrongRoomKeysVersion("3"),
    )
    async with connect(Library, shelves) as library:
        with pytest.raises(LimitExceeded) as limited:
            await library.perform_failure(number=0)
        with pytest.raises(UnknownToken) as unknown:
            await library.perform_failure(number=1)
        with pytest.raises(ShelfUnknown, match="third"):
            await library.perform_failure(number=2)
        with pytest.raises(ShelfFull, match="full") as full:
            await library.perform_failure(number=3)
        with pytest.raises(WrongRoomKeysVersion) as wrong:
            await library.perform_failure(number=4)

    assert wrong.value.body()["current_version"] == "3"
    assert limited.value.retry_after_ms == 1500
    assert unknown.value.body()["soft_logout"] is True
    assert full.value.elsewhere == Place(1, 2)
    assert full.value.latest is not None
    assert full.value.latest.event_id == latest.event_id


async def test_the_implementation_is_cancelled_with_its_caller(
    library: Library, shelves: Shelves
) -> None:
    call = asyncio.create_task(library.perform_wait())
    await shelves.started.wait()
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    await shelves.cancelled.wait()


async def test_a_deadline_ends_the_call_on_both_sides(library: Library, shelves: Shelves) -> None:
    with pytest.raises(DeadlineExceeded):
        async with deadline(0.2):
            await library.perform_wait()

    await shelves.cancelled.wait()


async def test_a_deadline_that_has_passed_ends_the_call_at_once(library: Library) -> None:
    with pytest.raises(DeadlineExceeded):
        async with deadline(0):
            await library.perform_wait()


async def test_the_outer_deadline_bounds_the_inner(library: Library) -> None:
    with pytest.raises(DeadlineExceeded):
        async with deadline(0.2), deadline(60):
            await library.perform_wait()


async def test_the_inner_deadline_leaves_the_outer_alone(library: Library) -> None:
    async with deadline(60):
        with pytest.raises(DeadlineExceeded):
            async with deadline(0.1):
                await library.perform_wait()
        _, seconds = await library.query_surroundings()

    assert seconds is not None
    assert 0 < seconds <= 60


async def test_the_implementation_knows_how_long_the_caller_waits(library: Library) -> None:
    async with deadline(30):
        _, seconds = await library.query_surroundings()

    assert seconds is not None
    assert 0 < seconds <= 30


async def test_deadline_exceeded_is_a_reason_to_try_again() -> None:
    assert issubclass(DeadlineExceeded, Unavailable)


async def test_the_request_id_comes_along(library: Library) -> None:
    token = request_id.set("abc123")
    try:
        identity, _ = await library.query_surroundings()
    finally:
        request_id.reset(token)

    assert identity == "abc123"


async def test_a_refused_call_does_not_harm_the_next(connect: Connect) -> None:
    async with connect(Library, Shelves(Forbidden())) as library:
        for _ in range(3):
            with pytest.raises(Forbidden):
                await library.perform_failure(number=0)
            assert await library.query_anything(value=1) == 1
