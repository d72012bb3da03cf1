"""Colours for people at a terminal; files, pipes and programs get plain text."""

import os
from collections.abc import Callable
from functools import partial
from typing import Final, TextIO

Paint = Callable[[str, str], str]

GREEN: Final = "32"
YELLOW: Final = "33"
RED: Final = "31"
FAINT: Final = "2"


def paint_for(stream: TextIO) -> Paint:
    """Return what colours text for this stream: nothing, unless it is a terminal.

    A variable NO_COLOR that is not empty turns colours off (no-color.org).
    """
    has_colours = stream.isatty() and not os.environ.get("NO_COLOR")
    return partial(_painted, has_colours=has_colours)


def _painted(text: str, colour: str, *, has_colours: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if has_colours and text else text
