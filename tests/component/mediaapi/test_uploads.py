"""Uploading: what is stored, what is refused, and what is left of uploads that break off."""

import asyncio
import os

import pytest

from tests.component.mediaapi.media_house import (
    CREATE,
    DOWNLOAD,
    LATER_MS,
    UPLOAD,
    Deployment,
    MediaHouse,
    in_pieces,
    path_of,
)


async def test_what_was_uploaded_is_downloaded_as_it_was(house: MediaHouse) -> None:
    body = os.urandom(700_001)

    path = await house.upload(body, name="cat.png")

    answer = await house.download(path)
    assert answer.body == body
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "inline; filename=cat.png"
    assert answer.headers["content-length"] == "700001"


@pytest.mark.parametrize("version", ["r0", "v1", "v3"])
async def test_each_version_of_the_endpoint_takes_uploads(house: MediaHouse, version: str) -> None:
    answer = await house.alice.post(f"/_matrix/media/{version}/upload", body=b"x")

    assert (await house.download(path_of(answer))).body == b"x"


async def test_an_empty_file_is_a_file(house: MediaHouse) -> None:
    answer = await house.download(await house.upload(b""))

    assert (answer.status, answer.body) == (200, b"")


async def test_the_same_bytes_are_stored_once(house: MediaHouse) -> None:
    first, second = await house.upload(b"same"), await house.upload(b"same", kind="text/plain")

    assert first != second
    assert len(house.files()) == 1
    assert (await house.download(second)).headers["content-type"] == "text/plain"


async def test_uploads_of_the_same_bytes_at_once_are_stored_once(house: MediaHouse) -> None:
    paths = await asyncio.gather(*(house.upload(b"same" * 1000) for _ in range(8)))

    assert len(house.files()) == 1
    assert {(await house.download(path)).body for path in paths} == {b"same" * 1000}


async def test_an_upload_that_breaks_off_leaves_nothing(house: MediaHouse) -> None:
    gone = asyncio.Event()
    gone.set()

    # The client announces more than it sends, and goes.
    answer = await _cut_short(house, b"x" * 300_000)

    assert answer == 0
    assert house.files() == []
    path = await house.upload(b"next")
    assert (await house.download(path)).status == 200


async def _cut_short(house: MediaHouse, sent: bytes) -> int:
    """Upload without coming to the end; return the status that was answered, 0 for none."""
    messages = [
        {"type": "http.request", "body": one, "more_body": True} for one in in_pieces(sent, 65_536)
    ]
    messages.append({"type": "http.disconnect"})
    answered: list[int] = []

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            answered.append(int(str(message["status"])))

    scope = house.alice._scope("POST", UPLOAD, {"authorization": "Bearer @alice:xylem.test"})
    await house.application(scope, receive, send)  # type: ignore[arg-type]
    return answered[0] if answered else 0


async def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(
    deployment: Deployment,
) -> None:
    async with deployment.start(max_upload_bytes=100_000) as house:
        announced = await house.alice.post(UPLOAD, body=b"x", headers={"content-length": "100001"})
        sent = await house.alice.post(UPLOAD, body=list(in_pieces(b"x" * 100_001, 10_000)))
        exact = await house.alice.post(UPLOAD, body=b"x" * 100_000)
        config = await house.alice.get("/_matrix/client/v1/media/config")

        assert (announced.status, announced.errcode) == (413, "M_TOO_LARGE")
        assert (sent.status, sent.errcode) == (413, "M_TOO_LARGE")
        assert exact.status == 200
        assert config.json == {"m.upload.size": 100_000}
        assert len(house.files()) == 1


async def test_a_user_has_a_quota_and_others_have_their_own(deployment: Deployment) -> None:
    async with deployment.start(quota_bytes_per_user=10) as house:
        await house.upload(b"123456")
        sized = {"content-length": "5"}
        before = await house.alice.post(UPLOAD, body=b"12345", headers=sized)
        after = await house.alice.post(UPLOAD, body=b"12345")
        fitting = await house.alice.post(UPLOAD, body=b"1234")
        other = await house.bob.post(UPLOAD, body=b"12345")

        assert (before.status, before.errcode) == (403, "M_FORBIDDEN")
        assert (after.status, after.errcode) == (403, "M_FORBIDDEN")
        assert (fitting.status, other.status) == (200, 200)
        assert len(house.files()) == 3


async def test_more_uploads_at_once_than_allowed_are_asked_to_come_back(
    deployment: Deployment,
) -> None:
    async with deployment.start(uploads_at_once_per_user=2) as house:
        answers = await asyncio.gather(
            *(house.alice.post(UPLOAD, body=bytes([number])) for number in range(5))
        )
        statuses = sorted(answer.status for answer in answers)

        assert statuses == [200, 200, 429, 429, 429]
        assert (await house.alice.post(UPLOAD, body=b"again")).status == 200


async def test_guests_and_strangers_upload_nothing(house: MediaHouse) -> None:
    guest = await house.nobody.as_user("@guest:xylem.test").post(UPLOAD, body=b"x")
    stranger = await house.nobody.post(UPLOAD, body=b"x")

    assert (guest.status, guest.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")
    assert (stranger.status, stranger.errcode) == (401, "M_MISSING_TOKEN")
    assert house.files() == []


async def test_media_is_created_first_and_uploaded_later(house: MediaHouse) -> None:
    created = await house.alice.post(CREATE, {})
    path = path_of(created)

    uploaded = await house.alice.put(f"{UPLOAD}/{path}", body=b"later")

    day_ms = 86_400_000
    assert created.json["unused_expires_at"] == house.clock.now_ms() + day_ms
    assert uploaded.json == {}
    assert (await house.download(path)).body == b"later"


async def test_content_is_never_replaced(house: MediaHouse) -> None:
    path = path_of(await house.alice.post(CREATE, {}))
    answers = await asyncio.gather(
        house.alice.put(f"{UPLOAD}/{path}", body=b"one"),
        house.alice.put(f"{UPLOAD}/{path}", body=b"two"),
    )
    again = await house.alice.put(f"{UPLOAD}/{path}", body=b"three")

    assert sorted(answer.status for answer in answers) == [200, 409]
    assert (again.status, again.errcode) == (409, "M_CANNOT_OVERWRITE_MEDIA")
    assert len(house.files()) == 1


async def test_only_who_created_media_uploads_it(house: MediaHouse) -> None:
    path = path_of(await house.alice.post(CREATE, {}))
    other = await house.bob.put(f"{UPLOAD}/{path}", body=b"x")
    unknown = await house.alice.put(f"{UPLOAD}/xylem.test/nothing", body=b"x")
    elsewhere = await house.alice.put(f"{UPLOAD}/other.test/nothing", body=b"x")

    assert (other.status, other.errcode) == (403, "M_FORBIDDEN")
    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")
    assert (elsewhere.status, elsewhere.errcode) == (404, "M_NOT_FOUND")


async def test_media_that_is_not_uploaded_expires(house: MediaHouse) -> None:
    path = path_of(await house.alice.post(CREATE, {}))
    house.clock.advance_ms(86_400_001)

    late = await house.alice.put(f"{UPLOAD}/{path}", body=b"x")
    asked = await house.download(path)

    assert (late.status, late.errcode) == (404, "M_NOT_FOUND")
    assert asked.errcode == "M_NOT_FOUND"


async def test_a_user_has_few_media_that_wait_to_be_uploaded(deployment: Deployment) -> None:
    async with deployment.start(pending_per_user=2) as house:
        first = path_of(await house.alice.post(CREATE, {}))
        await house.alice.post(CREATE, {})
        third = await house.alice.post(CREATE, {})
        other = await house.bob.post(CREATE, {})
        await house.alice.put(f"{UPLOAD}/{first}", body=b"x")

        assert (third.status, third.errcode) == (429, "M_LIMIT_EXCEEDED")
        assert other.status == 200
        assert (await house.alice.post(CREATE, {})).status == 200


async def test_what_a_crash_left_is_deleted_and_what_is_known_stays(
    deployment: Deployment,
) -> None:
    async with deployment.start() as house:
        path = await house.upload(b"known")
        (known,) = house.files()
        # Killed while it was written, and between the file and the index.
        unfinished = house.folder / "unfinished" / "cut"
        unfinished.write_bytes(b"half")
        orphan = known.parent / ("0" * 32)
        orphan.write_bytes(b"whole")

        await house.server.sweeping.sweep(before_ms=0)
        assert len(house.files()) == 3  # they may be of uploads under way
        await house.server.sweeping.sweep(before_ms=LATER_MS * 10)

        assert house.files() == [known]
        assert (await house.download(path)).body == b"known"


async def test_expired_media_leaves_the_index(house: MediaHouse) -> None:
    path = path_of(await house.alice.post(CREATE, {}))
    house.clock.advance_ms(2 * 86_400_000)

    await house.server.sweeping.sweep(before_ms=0)

    answer = await house.bob.get(f"{DOWNLOAD}/{path}?timeout_ms=0")
    assert answer.errcode == "M_NOT_FOUND"
