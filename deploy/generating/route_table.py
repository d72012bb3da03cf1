"""Which component answers which public path: the table that all proxies' routes are made from.

Each component describes its paths; `deploy.generating.proxy_files` writes them down for nginx,
Caddy and the Helm chart. A test compares them with the routes that the components have.
"""

from typing import Final, NamedTuple

from deploy.catalogue import CATALOGUE
from describing.public_paths import PublicPath

FALLBACK: Final = "clientapi"
"""Answers what no line matches under /_matrix, for it has the errors that the spec asks for."""


class Line(NamedTuple):
    """Requests that go to one component."""

    component: str
    path: PublicPath


TABLE: Final = tuple(Line(one.name, path) for one in CATALOGUE for path in one.public_paths)


def component_for(method: str, path: str) -> str | None:
    """Return which component a request goes to, or `None` if no line matches it."""
    found = (line.component for line in TABLE if line.path.matches(method, path))
    return next(found, None)


def served_components() -> list[str]:
    """Return the components that clients reach, in the order of the table."""
    return list(dict.fromkeys(line.component for line in TABLE))
