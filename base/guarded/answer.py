"""The answer to a guarded request, whose body is read as far as wanted."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import aiohttp

from base.guarded.errors import AnswerBroken, AnswerTooLarge
from base.guarded.inflating import Inflating


class GuardedAnswer:
    """An answer whose head is there."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.url = str(response.url)
        """What answered, after all redirects."""
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        """Their names may be asked for in any case."""

    async def read(self, max_bytes: int) -> bytes:
        """Return the whole body, decompressed. Raises `AnswerTooLarge` and `AnswerBroken`."""
        if (self._response.content_length or 0) > max_bytes:
            raise AnswerTooLarge(f"the answer has more than {max_bytes} bytes")
        body = await self.read_start(max_bytes + 1)
        if len(body) > max_bytes:
            raise AnswerTooLarge(f"the answer has more than {max_bytes} bytes")
        return body

    async def read_start(self, max_bytes: int) -> bytes:
        """Return the first bytes of the body, or all if there are fewer. Raises `AnswerBroken`.

        No more is read than that, neither compressed nor decompressed: where it is compressed to
        more bytes than it has, `AnswerTooLarge` may be raised.
        """
        body = bytearray()
        async with aclosing(self._pieces(max_bytes)) as pieces:
            async for piece in pieces:
                body += piece[: max_bytes - len(body)]
                if len(body) >= max_bytes:
                    break
        return bytes(body)

    async def _pieces(self, max_bytes: int) -> AsyncGenerator[bytes]:
        inflating = Inflating(self._response.headers.get("Content-Encoding", ""))
        received_bytes = 0
        try:
            async for received in self._response.content.iter_any():
                # What is compressed may stand for nothing at all, without end.
                received_bytes += len(received)
                for piece in inflating.pieces(received):
                    yield piece
                if received_bytes > max_bytes:
                    raise AnswerTooLarge(f"the answer has more than {max_bytes} bytes")
        except aiohttp.ClientError as error:
            raise AnswerBroken("the answer breaks off") from error
