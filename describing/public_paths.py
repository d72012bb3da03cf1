"""Which requests of clients go to a component, in words that all proxies understand."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

READS: Final = ("GET", "HEAD")
OTHERS: Final = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS")
CLIENT: Final = "/_matrix/client/*"
ROOM: Final = f"{CLIENT}/rooms/*"
FORMER: Final = "/_matrix/client/unstable"
"""Names from before the specification took the endpoints in."""

_SEGMENT: Final = "[^/?]+"
_REST: Final = "(/[^?]*)?"
_CHOICE: Final = re.compile(r"\{([^{}]+)\}")


class PublicPath(NamedTuple):
    """Requests that one component answers.

    In a pattern, `*` stands for one segment, `{a,b}` for one of these, and `/**` at the end for any
    further segments or none. No two match the same request, of whichever component, so that their
    order never matters: proxies differ in which of two regular expressions they prefer.
    """

    pattern: str
    methods: tuple[str, ...] = ()
    """Empty for all methods."""

    @property
    def expression(self) -> str:
        """The pattern as a regular expression without anchors, for paths as they were sent.

        It means the same to Python, PCRE and RE2.
        """
        path = self.pattern.removesuffix("/**")
        choices = _CHOICE.split(path)
        parts = [
            f"({'|'.join(map(_literal, part.split(',')))})" if index % 2 else _literal(part)
            for index, part in enumerate(choices)
        ]
        return "".join(parts) + (_REST if path != self.pattern else "")

    def alternatives(self) -> Iterator["PublicPath"]:
        """Yield it once for each choice of its alternatives."""
        parts = _CHOICE.split(self.pattern)
        options = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
        for chosen in product(*options):
            yield self._replace(pattern="".join(chosen))

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request with this path, percent-encoded as it was sent, is meant."""
        if self.methods and method not in self.methods:
            return False
        return re.fullmatch(self.expression, path) is not None


def _literal(text: str) -> str:
    return _SEGMENT.join(re.escape(part).replace(r"\-", "-") for part in text.split("*"))
