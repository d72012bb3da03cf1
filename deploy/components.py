"""The catalogue of components: their names, and which one asks which."""

from collections.abc import Collection, Mapping
from typing import Final

COMPONENTS: Final = ("userapi", "roomserver", "receipts", "eduserver", "syncapi", "clientapi")
"""In the order of their start: each comes after those that it asks."""
ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "userapi": (),
    "roomserver": (),
    "receipts": (),
    "eduserver": (),
    "syncapi": ("userapi",),
    "clientapi": ("userapi", "roomserver"),
}
"""Which components each one asks, and waits for at its start."""
ASKED_LATER: Final[Mapping[str, tuple[str, ...]]] = {
    "userapi": ("clientapi", "receipts"),
    "syncapi": ("roomserver",),
    "clientapi": ("syncapi",),
}
"""Which ones it asks besides, and does not wait for."""


def asked_by(name: str) -> set[str]:
    """Return the components that this one asks, whenever it does."""
    return {*ASKED[name], *ASKED_LATER.get(name, ())}


def asked_elsewhere(names: Collection[str]) -> set[str]:
    """Return the components that these ask and that are not among them, whenever they ask."""
    return {asked for name in names for asked in asked_by(name)} - set(names)
