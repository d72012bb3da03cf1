"""Writes docs/endpoints.md: the endpoints of the specification, and where each is answered.

`python -m tests.spec.endpoints` renews the page.
"""

import asyncio
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from base.http import Handler, Route, Router
from tests.spec.document import Operation, client_server_api
from tests.spec.routes import server_routers

_CHECKOUT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = _CHECKOUT / "docs" / "endpoints.md"

_HEAD: Final = """\
# Endpoints

This page is made from the code, and from the specification's list, by `python -m
tests.spec.endpoints`. It says which function answers an endpoint; `r0` and `v1` of what is `v3`
here are answered by the same one. Where none does, clients hear 404 or 405 with `M_UNRECOGNIZED`.
"""


async def endpoints_page() -> str:
    """Return the page in Markdown."""
    async with server_routers() as routers:
        return _HEAD + "".join(_sections(routers))


def _sections(routers: Mapping[str, Router]) -> Iterator[str]:
    api = client_server_api()
    routes = [route for router in routers.values() for route in router.routes]
    named: set[int] = set()
    rows = []
    for operation in sorted(api.operations, key=lambda one: (_sorted_by(one.path), one.method)):
        found = [
            route
            for route in routes
            if route.method == operation.method and _is_same(operation, route.template)
        ]
        named.update(map(id, found))
        rows.append((operation, found))
    done = sum(1 for _, found in rows if found)
    yield f"\n## Client-server API {api.version}: {done} of {len(rows)}\n\n"
    yield from _table((one.method, one.path, _answered_by(found)) for one, found in rows)
    further = [
        (route.method, route.template, _answered_by([route]))
        for route in routes
        if id(route) not in named and not api.find(route.template)
    ]
    yield "\n## Not in the specification\n\n"
    yield from _table(sorted(set(further), key=lambda row: (row[1], row[0])))


def _table(rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    yield "| method | path | answered by |\n|---|---|---|\n"
    for method, path, answered_by in rows:
        yield f"| {method} | `{path}` | {answered_by} |\n"


def _answered_by(routes: list[Route]) -> str:
    return "; ".join(sorted({_link(route.handler) for route in routes})) or "not yet"


def _link(handler: Handler) -> str:
    function: Any = inspect.unwrap(handler)
    while isinstance(function, partial):
        function = function.func
    source = inspect.getsourcefile(function)
    assert source is not None
    file = Path(source).resolve().relative_to(_CHECKOUT)
    return f"[{file}](../{file}) `{function.__qualname__}`"


def _is_same(operation: Operation, template: str) -> bool:
    return any(_shape(spelling) == _shape(template) for spelling in operation.spellings)


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _sorted_by(path: str) -> list[str]:
    """Bring what belongs together to one place, whatever its version."""
    return [part for part in path.split("/")[2:] if not re.fullmatch(r"v\d|r0", part)]


def main() -> None:
    """Write the page."""
    PAGE.write_text(asyncio.run(endpoints_page()), encoding="utf-8")


if __name__ == "__main__":
    main()
