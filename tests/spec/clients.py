"""Clients of tests that hold every answer to the specification."""

from typing import Any

import aiohttp

from base.http.testing import Answer, Client
from tests.spec.answers import check_answer


class CheckedClient(Client):
    """A client of an application in this process; a wrong answer fails the test that asked."""

    async def request(self, method: str, target: str, json: Any = None, **options: Any) -> Answer:
        """Send a request and return its answer, once it is checked."""
        answer = await super().request(method, target, json, **options)
        if answer.status and answer.complete:
            check_answer(method, target, answer.status, answer.headers, answer.body)
        return answer


def checked() -> aiohttp.TraceConfig:
    """Return what makes an aiohttp session do the same."""
    config = aiohttp.TraceConfig()
    config.on_request_end.append(_check)
    return config


async def _check(
    _session: aiohttp.ClientSession, _context: Any, params: aiohttp.TraceRequestEndParams
) -> None:
    response = params.response
    body = await response.read()
    target = response.url.raw_path_qs
    check_answer(params.method, target, response.status, response.headers, body)
