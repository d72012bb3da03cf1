"""The media server on a real database and a real folder, called through its own routes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec

from base.clock import ManualClock
from base.database import Database, open_database
from base.guarded.resolving import NameResolver
from base.http import Application, application
from base.http.fastapi_routes import fastapi_routes
from base.http.testing import Answer
from components.mediaapi.assembly import SCHEMA, MediaServer, build
from components.mediaapi.routes.operators import operator_router
from components.mediaapi.settings import BucketSettings, MediaApiSettings
from internalapi.userapi import Requester
from matrix.errors import UnknownToken
from matrix.identifiers import DeviceID, ServerName, UserID
from tests.spec.clients import CheckedClient

SERVER = ServerName("xylem.test")
UPLOAD = "/_matrix/media/v3/upload"
CREATE = "/_matrix/media/v1/create"
DOWNLOAD = "/_matrix/client/v1/media/download"
OPEN = "/_matrix/media/v3/download"
LATER_MS = 10 * 366 * 86_400_000
"""After the tests, for files that have the times of the system."""


class Tokens:
    """Access tokens are user IDs."""

    async def query_token(self, *, access_token: str) -> Requester:
        if not access_token.startswith("@"):
            raise UnknownToken
        is_guest = access_token.startswith("@guest")
        return Requester(UserID(access_token), DeviceID("PHONE"), is_guest=is_guest)


class MediaHouse:
    """One replica of the media server, and its clients."""

    def __init__(
        self, server: MediaServer, database: Database, folder: Path, clock: ManualClock
    ) -> None:
        self.server = server
        self.database = database
        self.folder = folder
        self.clock = clock
        operators = fastapi_routes(
            [operator_router(server.operator)], title="", version="", root="/_xylem", secret="known"
        )
        self.application: Application = application([server.router], ordinary=operators)
        self.nobody = CheckedClient(self.application)
        self.operator = CheckedClient(self.application, "known")
        self.alice = self.nobody.as_user("@alice:xylem.test")
        self.bob = self.nobody.as_user("@bob:xylem.test")

    async def upload(
        self, body: bytes = b"a picture", *, kind: str = "image/png", name: str = "", **options: Any
    ) -> str:
        """Upload as alice and return the path of the media: its server and its ID."""
        query = f"?filename={name}" if name else ""
        headers = {"content-type": kind}
        answer = await self.alice.post(UPLOAD + query, body=body, headers=headers, **options)
        assert answer.status == 200, answer
        return path_of(answer)

    async def download(self, path: str, **headers: str) -> Answer:
        """Download as bob."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.bob.get(f"{DOWNLOAD}/{path}", headers=named)
        assert answer.status >= 400 or "content-disposition" in answer.headers
        return answer

    async def until_waiting(self) -> None:
        """Return when a download waits for an upload."""
        while not self.server.waits.waiting:  # noqa: ASYNC110 (nothing announces it)
            await asyncio.sleep(0)

    async def until_previewing(self, count: int) -> None:
        """Return when so many previews are being made, or wait to be."""
        assert self.server.previews is not None
        while self.server.previews.under_way < count:  # noqa: ASYNC110 (nothing announces it)
            await asyncio.sleep(0)

    def files(self) -> list[Path]:
        """Return all files that are kept, finished or not."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def path_of(answer: Answer) -> str:
    """Return the server and the ID of an answer's media."""
    uri: str = answer.json["content_uri"]
    return uri.removeprefix("mxc://")


class Deployment:
    """A database and a folder, for any number of replicas."""

    def __init__(
        self, database_url: str, folder: Path, bucket: BucketSettings | None = None
    ) -> None:
        self._database_url = database_url
        self._folder = folder
        self._bucket = bucket
        self.clock = ManualClock()

    @contextlib.asynccontextmanager
    async def start(
        self, *, resolver: NameResolver | None = None, **changed: Any
    ) -> AsyncIterator[MediaHouse]:
        """Start a replica, with these settings changed."""
        settings = msgspec.structs.replace(MediaApiSettings(s3=self._bucket), **changed)
        database = await open_database(self._database_url, SCHEMA, durable=True)
        server = build(
            server_name=SERVER,
            database=database,
            folder=self._folder,
            authentication=Tokens(),
            clock=self.clock,
            settings=settings,
            is_alone=True,
            resolver=resolver,
        )
        running = [] if server.previews is None else [server.previews.run()]
        tasks = [asyncio.create_task(one) for one in running]
        try:
            yield MediaHouse(server, database, self._folder, self.clock)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.files.close()
            server.thumbnails.close()
            await database.close()


def in_pieces(body: bytes, size: int) -> Iterator[bytes]:
    """Yield a body in pieces."""
    for start in range(0, len(body), size):
        yield body[start : start + size]
