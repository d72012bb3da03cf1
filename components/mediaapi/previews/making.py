"""Makes a preview: asks for a page, for what describes it, and for its picture."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urljoin

import msgspec

from base.guarded.answer import GuardedAnswer
from base.guarded.client import GuardedClient
from base.guarded.errors import GuardedRequestError
from base.tasks import to_its_end
from components.mediaapi.previews.charsets import decoded
from components.mediaapi.previews.open_graph import (
    OEmbed,
    is_enough,
    oembed_of,
    picture_of,
    preview_of,
)
from components.mediaapi.previews.page_facts import PageFacts
from components.mediaapi.settings import UrlPreviewSettings
from matrix.errors import LimitExceeded, MatrixError

T = TypeVar("T")

_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_PICTURES: Final = "image/"
_OEMBED_BYTES_MAX: Final = 262_144
_ASKED_FOR: Final = "text/html, application/xhtml+xml, image/*;q=0.9, */*;q=0.5"
_SUCCESSES: Final = range(200, 300)


class CannotPreview(MatrixError):
    """This URL cannot be fetched."""

    status = 502


class Picture(NamedTuple):
    """A picture with what it is."""

    body: bytes
    content_type: str
    width: int
    height: int


class MadePreview(NamedTuple):
    """What is told of a URL; its picture is yet to be stored."""

    said: dict[str, Any]
    picture: Picture | None = None


class PreviewMaking:
    """Asks through the guarded client, and reads what comes in threads."""

    def __init__(
        self, client: GuardedClient, settings: UrlPreviewSettings, *, pixels_max: int
    ) -> None:
        self._client = client
        self._settings = settings
        self._pixels_max = pixels_max
        self._headers = {"Accept": _ASKED_FOR, "Accept-Language": settings.accept_language}
        self._executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="previews")

    async def close(self) -> None:
        """Let go of connections and threads."""
        await self._client.close()
        self._executor.shutdown(wait=False)

    async def make(self, url: str) -> MadePreview:
        """Return the preview of a URL, which says nothing where there is nothing to say.

        Raises `CannotPreview` for errors of the site, `GuardedRequestError` and `LimitExceeded`.
        """
        async with self._client.get(url, self._headers) as answer:
            if answer.status not in _SUCCESSES:
                raise CannotPreview
            kind = _kind_of(answer)
            if kind.startswith(_PICTURES):
                body = await answer.read(self._settings.image_bytes_max)
            elif kind in _PAGES:
                body = await answer.read_start(self._settings.page_bytes_max)
            else:
                return MadePreview({})
        if kind in _PAGES:
            content_type = answer.headers.get("content-type", "")
            return await self._of_page(body, content_type, answer.url)
        return MadePreview({}, await self._picture_of(body))

    async def _of_page(self, body: bytes, content_type: str, url: str) -> MadePreview:
        facts = await self._in_thread(lambda: _read_page(decoded(body, content_type)))
        oembed, oembed_text = OEmbed(), ""
        if facts.oembed is not None and not is_enough(facts):
            oembed = await self._oembed_at(_joined(url, facts.oembed))
            html = oembed.html
            if html is not None:
                oembed_text = (await self._in_thread(lambda: _read_page(html))).text
        source = picture_of(facts) or oembed.picture or facts.picture
        picture = None if source is None else await self._picture_at(_joined(url, source))
        return MadePreview(preview_of(facts, oembed, oembed_text), picture)

    async def _oembed_at(self, url: str) -> OEmbed:
        """Return what is said of a page elsewhere: nothing where that cannot be read."""
        body = await self._fetched(url, _OEMBED_BYTES_MAX)
        try:
            document = msgspec.json.decode(body or b"{}")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return OEmbed()
        return oembed_of(document) if isinstance(document, dict) else OEmbed()

    async def _picture_at(self, url: str) -> Picture | None:
        """Return a picture of a page; `None` where it cannot be had, and the rest is shown."""
        body = await self._fetched(url, self._settings.image_bytes_max)
        return None if body is None else await self._picture_of(body)

    async def _fetched(self, url: str, max_bytes: int) -> bytes | None:
        try:
            async with self._client.get(url, self._headers) as answer:
                return await answer.read(max_bytes) if answer.status in _SUCCESSES else None
        except (GuardedRequestError, LimitExceeded):
            return None

    async def _picture_of(self, body: bytes) -> Picture | None:
        return await self._in_thread(lambda: _read_picture(body, self._pixels_max))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Return what the work returns; on cancellation, too, only once it has ended."""

        async def run() -> T:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)

        return await to_its_end(run())


def _kind_of(answer: GuardedAnswer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _joined(url: str, reference: str) -> str:
    """Return what a page refers to; the reference itself where it is none."""
    try:
        return urljoin(url, reference)
    except ValueError:
        return reference


def _read_page(text: str) -> PageFacts:
    # lxml is loaded by the first page.
    from components.mediaapi.previews.pages import read_page  # noqa: PLC0415

    return read_page(text)


def _read_picture(body: bytes, pixels_max: int) -> Picture | None:
    # Pillow is loaded by the first picture.
    from components.mediaapi.previews.pictures import picture_facts  # noqa: PLC0415

    facts = picture_facts(body, pixels_max)
    return None if facts is None else Picture(body, *facts)
