"""Writes the settings down for people: a commented YAML file, and the reference page.

`python -m deploy.generating.reference` renews docs/configuration.md.
"""

import textwrap
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from deploy.settings import Settings
from deploy.settings.fields import REQUIRED, Field, fields_of

PAGE: Final = Path("docs/configuration.md")
_WIDTH: Final = 96

_CONFIG_HEAD: Final = """\
# Configuration of Xylem. Lines that start with `#` and a key show the default.
# Every setting can also be given by the environment: XYLEM_USERAPI__REGISTRATION=open
"""

_MORE: Final = """\
# These are the settings that one decides first. All others: xylem generate-config --all
"""
_FIRST: Final = (
    "server_name",
    "data_dir",
    "listeners",
    "userapi.registration",
    "userapi.public_base_url",
    "logging.format",
)
"""What one decides for a first server."""

_PAGE_HEAD: Final = """\
# Settings

This page is made from the types of the settings by `python -m deploy.generating.reference`.

Settings come from one YAML file (`xylem monolith --config FILE`, or the environment variable
`XYLEM_CONFIG`), and from environment variables, which win. A variable is called `XYLEM_` and the
setting's place in capitals, with two underscores between levels: `XYLEM_DATABASE__URL`,
`XYLEM_LISTENERS__0__PORT`. Values other than text are written as YAML: `true`, `12`, `[client]`.

A key that is no setting is refused, and so is a value of the wrong type. A section that is left
out, or empty, has its defaults. `xylem generate-config` writes a commented file with what one
decides first, `xylem generate-config --all` one with everything.
"""


def generate_config(chosen: Mapping[str, Any], *, with_all: bool = False) -> str:
    """Return a YAML file with comments, in which only `chosen` settings are set.

    `chosen` maps places (`userapi.registration`) to values. The file has what one decides for a
    first server, or with `with_all` every setting there is.
    """
    shown = None if with_all else {*_FIRST, *chosen}
    head = _CONFIG_HEAD if with_all else _CONFIG_HEAD + _MORE
    return head + "\n".join(_yaml_lines(Settings, "", 0, chosen, shown)) + "\n"


def generate_page() -> str:
    """Return the reference page in Markdown."""
    return _PAGE_HEAD + "\n" + "\n".join(_page_lines(Settings, "", "The whole server"))


def _yaml_lines(
    section: type[msgspec.Struct],
    place: str,
    depth: int,
    chosen: Mapping[str, Any],
    shown: Collection[str] | None,
) -> Iterator[str]:
    """Yield the lines of a section; of the places that are `shown` alone, unless that is `None`."""
    indent = "  " * depth
    for field in fields_of(section):
        key = f"{place}{field.name}"
        if shown is not None and not any(f"{one}.".startswith(f"{key}.") for one in shown):
            continue
        yield ""
        yield from _comment(field.description, indent)
        if field.section is not None and field.is_plain_section:
            yield f"{indent}{field.name}:"
            yield from _yaml_lines(field.section, f"{key}.", depth + 1, chosen, shown)
            continue
        if field.section is not None:
            yield from _comment("Each has:" if "list of" in field.kind else "It has:", indent)
            for inner in fields_of(field.section):
                yield from _comment(f"{inner.name}: {inner.description}", f"{indent}", hang="  ")
        else:
            yield from _comment(f"({field.kind})", indent)
        mark = "" if key in chosen else "#"
        value = chosen.get(key, field.default)
        yield from (f"{indent}{mark}{line}" for line in _yaml_value(field, value))


def _yaml_value(field: Field, value: Any) -> list[str]:
    value = "" if value is REQUIRED else value
    if isinstance(value, dict):
        flow = yaml.safe_dump(value, sort_keys=False, default_flow_style=True)
        return [f"{field.name}: {flow.strip()}"]
    text = yaml.safe_dump({field.name: value}, sort_keys=False, allow_unicode=True)
    return text.rstrip("\n").split("\n")


def _comment(text: str, indent: str, hang: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{indent}# {hang}",
        subsequent_indent=f"{indent}# {hang}{hang}",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _page_lines(section: type[msgspec.Struct], place: str, title: str) -> Iterator[str]:
    fields = list(fields_of(section))
    yield f"## {title}"
    yield ""
    yield " ".join((section.__doc__ or "").split())
    yield ""
    yield "| setting | takes | default | |"
    yield "|---|---|---|---|"
    for field in fields:
        if not field.is_plain_section:
            cells = f"`{field.name}`", field.kind, _page_default(field), field.description
            yield f"| {' | '.join(cells)} |"
    yield ""
    for field in fields:
        if field.section is not None:
            inner = f"{place}{field.name}"
            entry = "[]" if "list of" in field.kind else ""
            yield from _page_lines(field.section, f"{inner}{entry}.", f"`{inner}{entry}`")


def _page_default(field: Field) -> str:
    if field.default is REQUIRED:
        return "required"
    if field.default == "":
        return "empty"
    return f"`{msgspec.json.encode(field.default).decode()}`"


def main() -> None:
    """Write the reference page."""
    PAGE.write_text(generate_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
