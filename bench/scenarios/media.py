"""Files of three sizes are uploaded and downloaded, four at once."""

import secrets
from typing import Final

import orjson

from bench.client import User, open_connections
from bench.http import Answer, build_request
from bench.load import Done, Job, closed_loop
from bench.measure import Phase
from bench.stage import Stage
from bench.verify import check_same_set

FILES: Final = {"100k": (100_000, 1000), "1m": (1_000_000, 200), "10m": (10_000_000, 40)}
"""By the name of the size: the bytes of a file, and how many there are."""

AT_ONCE: Final = 4
_HELD_BYTES: Final = 80_000_000

Upload = Job[bytes]


async def run(stage: Stage) -> None:
    """Measure megabytes a second, and processor time for each thousand of them."""
    owner, reader = await stage.client.register_many("user", 2)
    for name, (size, count) in FILES.items():
        uploading, downloading = (stage.phase(f"{way}-{name}") for way in ("upload", "download"))
        uploads: list[Answer] = []
        downloads: list[Answer] = []
        left = stage.sized(count, least=AT_ONCE)
        while left > 0:
            # Of all contents, so many are in memory at a time.
            part = min(left, _HELD_BYTES // size)
            left -= part
            sent = await transfer(stage, uploading, [upload(owner, size) for _ in range(part)])
            got = await transfer(stage, downloading, [download(reader, each) for each in sent])
            check(stage, got)
            uploads += [each.answer for each in sent]
            downloads += [without_body(each.answer) for each in got]
        megabytes = size / 1_000_000
        stage.close_phase(uploading, uploads, operations_each=megabytes)
        stage.close_phase(downloading, downloads, operations_each=megabytes)


def upload(owner: User, size: int) -> Job[bytes]:
    """Return the request that uploads new content of this size, filed under the content."""
    content = secrets.token_bytes(size)
    path = "/_matrix/media/v3/upload?filename=bench.bin"
    kind = "application/octet-stream"
    request = build_request("POST", path, token=owner.token, body=content, content_type=kind)
    return Job(content, request)


def download(reader: User, sent: Done[bytes]) -> Job[bytes]:
    """Return the request that downloads what was uploaded, filed under what it should be."""
    uri = orjson.loads(sent.answer.body)["content_uri"]
    path = f"/_matrix/client/v1/media/download/{uri.removeprefix('mxc://')}"
    return Job(sent.key, build_request("GET", path, token=reader.token))


async def transfer(stage: Stage, phase: Phase, jobs: list[Job[bytes]]) -> list[Done[bytes]]:
    """Do the jobs as a part of a phase."""
    waiting = iter(jobs)
    async with open_connections(stage.client.address, AT_ONCE) as connections:
        with phase:
            return await closed_loop(connections, [waiting] * AT_ONCE)


def check(stage: Stage, got: list[Done[bytes]]) -> None:
    """File downloads that are not what was uploaded."""
    expected = [f"{place}" for place, _ in enumerate(got)]
    same = [f"{place}" for place, (content, answer) in enumerate(got) if answer.body == content]
    stage.outcome.findings.add(check_same_set(expected, same, "downloads"))


def without_body(answer: Answer) -> Answer:
    """Return an answer of which only status and times are kept, unless it is an error."""
    body = b"" if answer.ok else answer.body
    return Answer(answer.status, body, answer.started_at, answer.finished_at)
