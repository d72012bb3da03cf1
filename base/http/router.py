"""Which handler answers a path: an index by path segments, whatever the number of routes."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from base.http.former_names import former_templates
from base.http.request import Request
from base.http.response import Response, StreamingResponse
from matrix.errors import InvalidParam, MethodNotAllowed, Unrecognized

Handler: TypeAlias = Callable[[Request], Awaitable[Response | StreamingResponse]]
Guard: TypeAlias = Callable[[Request], None]

_VERSION_SEGMENT: Final = 2


class RouteConflict(Exception):
    """Two routes answer the same method and path."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path template with its handler."""

    method: str
    template: str
    handler: Handler
    parameters: tuple[str, ...]
    absent: tuple[str, ...]
    """The optional parameter at the end, where this variant of the template is without it."""
    max_body_bytes: int | None
    long_poll: bool
    guard: Guard | None


class Router:
    """Collects the routes of a component.

    In a template, `{name}` stands for one segment that is not empty; `{name?}`, only as the last
    segment, also for an empty or missing one, and then gives an empty string. `versions` names
    further versions of the API, as in `versions=("r0", "v1")`, that answer likewise at the third
    segment; so do the former names of the path (`former_names`). A `long_poll` handler is
    cancelled when its client has gone. A `guard` sees the head of each request before its body is
    read, and raises to refuse it.
    """

    def __init__(self, *, guard: Guard | None = None) -> None:
        self.routes: list[Route] = []
        self._guard = guard

    def add(
        self,
        method: str,
        templates: str | Sequence[str],
        handler: Handler,
        *,
        versions: Sequence[str] = (),
        max_body_bytes: int | None = None,
        long_poll: bool = False,
    ) -> None:
        """Answer this method of these paths with a handler."""
        for given in [templates] if isinstance(templates, str) else templates:
            for template in _templates(given, versions):
                for variant, absent in _variants(template):
                    parameters = tuple(
                        segment[1:-1] for segment in variant if _is_parameter(segment)
                    )
                    self.routes.append(
                        Route(
                            method,
                            "/" + "/".join(variant),
                            handler,
                            parameters,
                            absent,
                            max_body_bytes,
                            long_poll,
                            self._guard,
                        )
                    )

    def get(
        self,
        templates: str | Sequence[str],
        handler: Handler,
        *,
        versions: Sequence[str] = (),
        long_poll: bool = False,
    ) -> None:
        """Answer GET, and HEAD likewise, with a handler."""
        self.add("GET", templates, handler, versions=versions, long_poll=long_poll)

    def put(
        self,
        templates: str | Sequence[str],
        handler: Handler,
        *,
        versions: Sequence[str] = (),
        max_body_bytes: int | None = None,
    ) -> None:
        """Answer PUT with a handler."""
        self.add("PUT", templates, handler, versions=versions, max_body_bytes=max_body_bytes)

    def post(
        self,
        templates: str | Sequence[str],
        handler: Handler,
        *,
        versions: Sequence[str] = (),
        max_body_bytes: int | None = None,
        long_poll: bool = False,
    ) -> None:
        """Answer POST with a handler."""
        self.add(
            "POST",
            templates,
            handler,
            versions=versions,
            max_body_bytes=max_body_bytes,
            long_poll=long_poll,
        )

    def delete(
        self, templates: str | Sequence[str], handler: Handler, *, versions: Sequence[str] = ()
    ) -> None:
        """Answer DELETE with a handler."""
        self.add("DELETE", templates, handler, versions=versions)


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def _templates(template: str, versions: Sequence[str]) -> list[list[str]]:
    """Return the segments of all templates by which an endpoint is found."""
    if not template.startswith("/"):
        raise ValueError(f"a path template starts with a slash: {template}")
    segments = template[1:].split("/")
    result = [segments, *(one[1:].split("/") for one in former_templates(template))]
    for version in versions:
        other = segments.copy()
        other[_VERSION_SEGMENT] = version
        if other not in result:
            result.append(other)
    return result


def _variants(segments: list[str]) -> list[tuple[list[str], tuple[str, ...]]]:
    last = segments[-1]
    if not (last.startswith("{") and last.endswith("?}")):
        return [(segments, ())]
    name = last[1:-2]
    before = segments[:-1]
    return [(before, (name,)), ([*before, ""], (name,)), ([*before, f"{{{name}}}"], ())]


class _Node:
    """What may follow one prefix of path segments."""

    __slots__ = ("literals", "parameter", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.routes: dict[str, Route] = {}


class RouteIndex:
    """The routes of all routers of an application."""

    def __init__(self, routers: Iterable[Router]) -> None:
        self._root = _Node()
        for router in routers:
            for route in router.routes:
                self._insert(route)

    def _insert(self, route: Route) -> None:
        node = self._root
        for segment in route.template[1:].split("/"):
            if _is_parameter(segment):
                if node.parameter is None:
                    node.parameter = _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        if route.method in node.routes:
            raise RouteConflict(f"{route.method} {route.template} is taken")
        node.routes[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route for a path, percent-encoded as it came, and its parameters.

        A literal segment goes before a parameter. Raises `Unrecognized`, `MethodNotAllowed`, and
        `InvalidParam` for a segment that does not decode to UTF-8.
        """
        segments = path[1:].split("/")
        if "%" in path:
            segments = [_decode(one) if "%" in one else one for one in segments]
        end = len(segments)
        node, position = self._root, 0
        values: list[str] = []
        pending: list[tuple[_Node, int, list[str]]] = []
        known_path = False
        while True:
            if position == end:
                route = node.routes.get(method)
                if route is not None:
                    return route, _parameters(route, values)
                known_path = known_path or bool(node.routes)
            else:
                segment = segments[position]
                position += 1
                literal = node.literals.get(segment)
                parameter = node.parameter
                if segment and parameter is not None:
                    if literal is None:
                        values.append(segment)
                        node = parameter
                        continue
                    pending.append((parameter, position, [*values, segment]))
                if literal is not None:
                    node = literal
                    continue
            if not pending:
                raise MethodNotAllowed if known_path else Unrecognized
            node, position, values = pending.pop()


def _parameters(route: Route, values: list[str]) -> dict[str, str]:
    parameters = dict(zip(route.parameters, values, strict=True))
    for name in route.absent:
        parameters[name] = ""
    return parameters


def _decode(segment: str) -> str:
    try:
        decoded = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise InvalidParam("The path is not UTF-8.") from error
    if "\0" in decoded:
        # No identifier holds it, and PostgreSQL's text cannot.
        raise InvalidParam("The path has a NUL character.")
    return decoded
