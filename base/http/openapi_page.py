"""An OpenAPI description as a page for people: plain HTML that loads nothing from anywhere."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

_STYLE: Final = """\
body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
h2 { margin-top: 2em; font-size: 1.1em } code, h2 { font-family: monospace }
table { border-collapse: collapse } td, th { text-align: left; padding: .2em 1em .2em 0 }
td, th { vertical-align: top; border-bottom: 1px solid #8884 }
"""


def openapi_page(document: dict[str, Any], url: str) -> bytes:
    """Return the page of a description that is served at `url`."""
    title = escape(document["info"]["title"])
    lines = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
        f"<style>{_STYLE}</style><h1>{title}</h1>",
        "<p>Every request carries the header <code>Authorization: Bearer TOKEN</code>. ",
        f'This page for programs: <a href="{escape(url)}">OpenAPI</a>.</p>',
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines += _operation(f"{method.upper()} {path}", operation)
    lines.append("<h1>Objects</h1>")
    for name, schema in document["components"]["schemas"].items():
        lines.append(f'<h2 id="{escape(name)}">{escape(name)}</h2>')
        lines.append(f"<p>{escape(schema.get('description', ''))}</p>")
        fields = schema.get("properties", {})
        required = schema.get("required", ())
        rows = [(one, "", fields[one], one in required) for one in fields]
        lines += _table(rows)
    return "\n".join(lines).encode()


def _operation(heading: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>{escape(heading)}</h2>"
    yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
    yield from _table(
        [
            (one["name"], f"{one['in']}: ", one | one["schema"], one.get("required", False))
            for one in operation.get("parameters", ())
        ]
    )
    for title, place in (
        ("Body", operation.get("requestBody", {})),
        *((f"Answer {status}", one) for status, one in operation["responses"].items()),
    ):
        for content in place.get("content", {}).values():
            yield f"<p>{escape(title)}: {_type(content['schema'])}</p>"


def _table(rows: list[tuple[str, str, dict[str, Any], bool]]) -> Iterator[str]:
    """Yield a table of fields: name, where it stands, schema, and whether it has to be there."""
    if not rows:
        return
    yield "<table>"
    for name, place, schema, is_required in rows:
        text = escape(schema.get("description", ""))
        needed = "" if is_required else " (optional)"
        yield (
            f"<tr><td><code>{escape(name)}</code><td>{escape(place)}{_type(schema)}{needed}"
            f"<td>{text}"
        )
    yield "</table>"


def _type(schema: dict[str, Any]) -> str:
    """Return what a schema asks for, as HTML; objects are links to their tables."""
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"object of {_type(values)}"
    return escape(str(schema.get("type", "any value")))
