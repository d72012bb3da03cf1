"""Pictures of a phone's camera are uploaded, and shown in the sizes that clients ask for."""

import io
from typing import Final, NamedTuple

import orjson
from PIL import Image

from bench.client import User, open_connections
from bench.http import Answer, build_request
from bench.load import Done, Job, closed_loop
from bench.scenarios.media import without_body
from bench.stage import Stage
from bench.verify import check_same_set

PICTURES: Final = 20
AGAIN: Final = 25
AT_ONCE: Final = 2
PHONE: Final = (4032, 3024)
SIZES: Final = (
    (32, 32, "crop"),
    (96, 96, "crop"),
    (320, 240, "scale"),
    (640, 480, "scale"),
    (800, 600, "scale"),
)


class Wanted(NamedTuple):
    """A thumbnail of a picture."""

    uri: str
    width: int
    height: int
    method: str


async def run(stage: Stage) -> None:
    """Measure thumbnails that nobody has asked for before, uploads included, and asked again.

    A server may make thumbnails with the upload or when it is asked for them: the phase
    has both.
    """
    owner, reader = await stage.client.register_many("user", 2)
    uploads = [upload_job(owner, number) for number in range(stage.sized(PICTURES, least=4))]
    first = stage.phase("make")
    again = stage.phase("again")
    async with open_connections(stage.client.address, AT_ONCE) as connections:
        waiting = iter(uploads)
        with first:
            sent = await closed_loop(connections, [waiting] * AT_ONCE)
        uris = [orjson.loads(each.answer.body)["content_uri"] for each in sent if each.answer.ok]
        wanted = [Wanted(uri, *size) for uri in uris for size in SIZES]
        asking = iter([thumbnail_job(reader, each) for each in wanted])
        with first:
            made = await closed_loop(connections, [asking] * AT_ONCE)
        check(stage, made)
        asking = iter([thumbnail_job(reader, each) for each in wanted * AGAIN])
        with again:
            shown = await closed_loop(connections, [asking] * AT_ONCE)
        check(stage, shown)
    failed = [each.answer for each in sent if not each.answer.ok]
    stage.close_phase(first, [without_body(each.answer) for each in made], failed)
    stage.close_phase(again, [without_body(each.answer) for each in shown])


def upload_job(owner: User, number: int) -> Job[int]:
    """Return the request that uploads a picture."""
    path = f"/_matrix/media/v3/upload?filename=picture{number}.jpg"
    body, kind = picture(number), "image/jpeg"
    request = build_request("POST", path, token=owner.token, body=body, content_type=kind)
    return Job(number, request)


def picture(number: int) -> bytes:
    """Return a JPEG of a camera's size and detail; each number has another."""
    width, height = PHONE
    grain = Image.effect_noise((width // 8, height // 8), 60 + number).resize(PHONE)
    slope = Image.linear_gradient("L").resize(PHONE)
    file = io.BytesIO()
    Image.merge("YCbCr", (grain, slope, slope)).save(file, "JPEG", quality=85)
    return file.getvalue()


def thumbnail_job(reader: User, wanted: Wanted) -> Job[Wanted]:
    """Return the request that asks for a thumbnail."""
    size = f"width={wanted.width}&height={wanted.height}&method={wanted.method}"
    name = wanted.uri.removeprefix("mxc://")
    path = f"/_matrix/client/v1/media/thumbnail/{name}?{size}"
    return Job(wanted, build_request("GET", path, token=reader.token))


def check(stage: Stage, done: list[Done[Wanted]]) -> None:
    """File thumbnails that are no pictures of the size that was asked for."""
    expected, found = [], []
    for place, (wanted, answer) in enumerate(done):
        if answer.ok:
            name = f"{place} {wanted.uri}"
            expected.append(f"{name} {(wanted.width, wanted.height)}")
            found.append(f"{name} {size_of(answer)}")
    stage.outcome.findings.add(check_same_set(expected, found, "thumbnails"))


def size_of(answer: Answer) -> tuple[int, int]:
    """Return width and height of a picture; raises OSError where it is none."""
    with Image.open(io.BytesIO(answer.body)) as shown:
        shown.load()
        return shown.size
