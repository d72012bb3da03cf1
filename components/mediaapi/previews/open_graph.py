"""What a preview says, as Open Graph has it (https://ogp.me)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from components.mediaapi.previews.page_facts import PageFacts

_PREFIXES: Final = ("og:", "article:", "profile:")
_PROPERTIES_MAX: Final = 50
_VALUE_MAX: Final = 1000
"""Longer values are no names or descriptions."""
_TWITTER: Final = {
    "twitter:title": "og:title",
    "twitter:description": "og:description",
    "twitter:site": "og:site_name",
}
_PICTURES: Final = (
    "og:image:secure_url",
    "og:image",
    "og:image:url",
    "twitter:image",
    "twitter:image:src",
    "image",
    "image_src",
)
"""Where pages name their picture, the best one first."""


class OEmbed(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says of itself in another place (https://oembed.com)."""

    title: str | None = None
    site_name: str | None = None
    picture: str | None = None
    html: str | None = None


def said_by(facts: PageFacts) -> dict[str, str]:
    """Return what a page says in so many words: Open Graph, or else Twitter cards."""
    said = {
        name: value
        for name, value in facts.properties.items()
        if name.startswith(_PREFIXES) and not name.startswith("og:image")
    }
    for name, meant in _TWITTER.items():
        if name in facts.properties:
            said.setdefault(meant, facts.properties[name])
    return dict(list(_short(said).items())[:_PROPERTIES_MAX])


def picture_of(facts: PageFacts) -> str | None:
    """Return the address of the picture that a page names as its own."""
    return next((facts.properties[name] for name in _PICTURES if name in facts.properties), None)


def is_enough(facts: PageFacts) -> bool:
    """Tell whether a page says all that is shown of most."""
    said = said_by(facts)
    return {"og:title", "og:description"} <= said.keys() and picture_of(facts) is not None


def preview_of(facts: PageFacts, oembed: OEmbed, oembed_text: str) -> dict[str, Any]:
    """Return the preview of a page, yet without its picture.

    What the page says goes before what oEmbed says of it, and that before what can be guessed.
    """
    described = facts.properties.get("description", "")
    further = [
        _named(oembed.title, oembed.site_name, oembed_text),
        _named(facts.title, None, described if len(described) <= _VALUE_MAX else ""),
        _named(None, None, facts.text),
    ]
    preview: dict[str, Any] = dict(said_by(facts))
    for one in further:
        for name, value in _short(one).items():
            preview.setdefault(name, value)
    return preview


def oembed_of(document: Mapping[str, Any]) -> OEmbed:
    """Return what an answer of oEmbed says."""

    def text(name: str) -> str | None:
        value = document.get(name)
        return value if isinstance(value, str) and value else None

    is_photo = text("type") == "photo"
    return OEmbed(
        title=text("title") or text("author_name"),
        site_name=text("provider_name"),
        picture=(text("url") if is_photo else None) or text("thumbnail_url"),
        html=None if is_photo else text("html"),
    )


def _named(title: str | None, site_name: str | None, description: str | None) -> dict[str, str]:
    values = {"og:title": title, "og:site_name": site_name, "og:description": description}
    return {name: value for name, value in values.items() if value}


def _short(values: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in values.items() if max(len(name), len(value)) <= _VALUE_MAX
    }
