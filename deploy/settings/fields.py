"""What the settings are, read from their types: names, kinds, defaults and docstrings."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect as types


class Field(NamedTuple):
    """One setting, or one section of settings."""

    name: str
    kind: str
    """What may stand there, in words."""
    description: str
    default: Any
    """As plain JSON values; `REQUIRED` where there is none."""
    section: type[msgspec.Struct] | None
    """The section that the field is, or may be, or that it lists."""
    is_plain_section: bool
    """Whether the field is a section, neither a list of them nor optional."""


REQUIRED = object()


def fields_of(section: type[msgspec.Struct]) -> Iterator[Field]:
    """Yield the fields of a section in the order of its declaration."""
    docstrings = _docstrings(section)
    described = types.type_info(section)
    if not isinstance(described, types.StructType):
        raise TypeError(f"{section} is no section of settings")
    for field in described.fields:
        nested = section_in(field.type)
        plain = isinstance(field.type, types.StructType)
        text = (
            docstrings.get(field.name)
            or _description(field.type)
            or (_first_docstring(nested) if nested else "")
        )
        yield Field(field.name, kind_of(field.type), text, _default(field), nested, plain)


def section_in(described: types.Type) -> type[msgspec.Struct] | None:
    """Return the section that a field's type is, or which it lists or allows."""
    match described:
        case types.StructType():
            return described.cls
        case types.Metadata():
            return section_in(described.type)
        case types.ListType() | types.VarTupleType():
            return section_in(described.item_type)
        case types.UnionType():
            found = (section_in(option) for option in described.types)
            return next((section for section in found if section is not None), None)
    return None


def choices(described: types.Type) -> list[str]:
    """Return the words that a type takes, itself or in its list; none for another type."""
    match described:
        case types.Metadata():
            return choices(described.type)
        case types.ListType() | types.VarTupleType():
            return choices(described.item_type)
        case types.UnionType():
            return [word for option in described.types for word in choices(option)]
        case types.LiteralType():
            return sorted(str(value) for value in described.values)
    return []


def kind_of(described: types.Type) -> str:  # noqa: C901, PLR0911 (one case per kind)
    """Return in words what values a type takes."""
    match described:
        case types.Metadata():
            return kind_of(described.type)
        case types.NoneType():
            return "null"
        case types.BoolType():
            return "true or false"
        case types.IntType():
            return "whole number" + _bounds(described.ge, described.gt, described.le)
        case types.FloatType():
            return "number" + _bounds(described.ge, described.gt, described.le)
        case types.LiteralType():
            return " or ".join(f"`{value}`" for value in described.values)
        case types.ListType() | types.VarTupleType():
            return f"list of {kind_of(described.item_type)}"
        case types.DictType():
            return f"mapping of names to {kind_of(described.value_type)}"
        case types.UnionType():
            return " or ".join(kind_of(option) for option in described.types)
        case types.StructType():
            return "section"
    return "text"


def _bounds(at_least: float | None, over: float | None, at_most: float | None) -> str:
    words = [
        f"{word} {bound}"
        for word, bound in (("at least", at_least), ("over", over), ("at most", at_most))
        if bound is not None
    ]
    return f", {', '.join(words)}" if words else ""


def _default(field: types.Field) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    if field.default is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default)
    return REQUIRED


def _first_docstring(section: type[msgspec.Struct]) -> str:
    return " ".join((section.__doc__ or "").split())


def _description(described: types.Type) -> str:
    """Return what is said of a field that stands in no source, because it was made."""
    if not isinstance(described, types.Metadata):
        return ""
    return str((described.extra_json_schema or {}).get("description", ""))


def _docstrings(section: type[msgspec.Struct]) -> dict[str, str]:
    """Return the strings that follow the fields in the source of a section and its bases."""
    found: dict[str, str] = {}
    for one in section.__mro__:
        if issubclass(one, msgspec.Struct) and one.__struct_fields__:
            found |= _docstrings_of(one)
    return found


def _docstrings_of(section: type[msgspec.Struct]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    if not isinstance(body, ast.ClassDef):
        raise TypeError(f"{section} is no class")
    found = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=text)):
                # What Python calls None is called null in YAML.
                found[name] = " ".join(str(text).split()).replace("`None`", "`null`")
    return found
