"""Loads the settings: defaults, then a YAML file, then `XYLEM_…` environment variables."""

import difflib
import re
from collections.abc import Hashable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from msgspec import inspect as types

from components.userapi.settings import UserApiSettings
from deploy.errors import SettingsInvalid
from deploy.settings import Settings
from deploy.settings.checks import check
from deploy.settings.fields import choices, section_in

PREFIX: Final = "XYLEM_"
CONFIG_VARIABLE: Final = "XYLEM_CONFIG"
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a section",
}
_LIST: Final = (types.ListType, types.VarTupleType)
_TEXT_OR_NONE: Final = (types.StrType, types.LiteralType, types.NoneType)
# Kubernetes sets these in every container beside a Service that is called "xylem".
_SERVICE_LINK: Final = re.compile(
    r"XYLEM(_[A-Z0-9]+)*_(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)"
)


def load_settings(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Return the settings of this file and environment, or raise `SettingsInvalid`.

    The file may also be named by XYLEM_CONFIG. Without any, registration is open as long as the
    server can be reached from this machine only: a server to try things out.
    """
    if path is None and environment.get(CONFIG_VARIABLE):
        path = Path(environment[CONFIG_VARIABLE])
    values = {} if path is None else _read_yaml(path)
    source = "the environment" if path is None else str(path)
    _refuse_unknown_keys(values, types.type_info(Settings), "", source)
    for variable, keys, text in _overrides(environment):
        _override(values, keys, text, variable)
    settings = _convert(values, source)
    check(settings, source)
    if path is None and "registration" not in values.get("userapi", {}) and is_local(settings):
        userapi = settings.section(UserApiSettings)
        return settings.with_section(msgspec.structs.replace(userapi, registration="open"))
    return settings


def is_local(settings: Settings) -> bool:
    """Whether every listener is on a loopback address."""
    return all(_is_loopback(listener.address) for listener in settings.listeners)


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not the last one's win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 (as above it)
        """Return the mapping, or raise where a key stands twice."""
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands here a second time", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsInvalid(
            f"There is no configuration file {path}.",
            f"Make one: xylem generate-config --server-name example.org --output {path}",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"The configuration file {path} cannot be read: {error}") from error
    try:
        values = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader, only stricter)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SettingsInvalid(f"{path}{place}: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise SettingsInvalid(f"{path} is not YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsInvalid(f"{path}: expected settings as `key: value`, got {_kind(values)}.")
    return values


def _refuse_unknown_keys(values: Any, described: types.Type, place: str, source: str) -> None:
    """Raise for the first key that is no setting; empty sections are made sections of defaults."""
    match values, described:
        case _, types.Metadata():
            _refuse_unknown_keys(values, described.type, place, source)
        case list(), types.ListType() | types.VarTupleType():
            for index, item in enumerate(values):
                _refuse_unknown_keys(item, described.item_type, f"{place}[{index}]", source)
        case dict(), types.UnionType():
            section = section_in(described)
            if section is not None:
                _refuse_unknown_keys(values, types.type_info(section), place, source)
        case dict(), types.StructType():
            fields = {field.name: field.type for field in described.fields}
            for key, value in values.items():
                if key not in fields:
                    raise SettingsInvalid(
                        f"{source}: unknown setting '{_join(place, key)}'.",
                        _nearest(str(key), fields, place),
                    )
                if value is None and isinstance(fields[key], types.StructType):
                    values[key] = {}
                else:
                    _refuse_unknown_keys(value, fields[key], _join(place, key), source)


def _join(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _nearest(key: str, known: Mapping[str, Any], place: str) -> str:
    near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.5)
    if near:
        return f"Did you mean '{_join(place, near[0])}'?"
    where = f"'{place}' knows" if place else "Known are"
    return f"{where}: {', '.join(known)}."


def _overrides(environment: Mapping[str, str]) -> Iterator[tuple[str, list[str], str]]:
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if _SERVICE_LINK.fullmatch(variable) is None:
            keys = variable.removeprefix(PREFIX).lower().split("__")
            yield variable, keys, environment[variable]


def _override(values: dict[str, Any], keys: list[str], text: str, variable: str) -> None:
    """Put one environment variable in its place; raises for one that is no setting."""
    described: types.Type = types.type_info(Settings)
    container: Any = values
    for depth, key in enumerate(keys):
        place = ".".join(keys[:depth])
        index, described = _step(described, key, place, variable)
        if depth == len(keys) - 1:
            _put(container, index, _parse(text, described, variable))
            return
        container = _descend(container, index, described, variable)


def _step(
    described: types.Type, key: str, place: str, variable: str
) -> tuple[str | int, types.Type]:
    """Return the key or index and the type of what it leads to."""
    while isinstance(described, types.Metadata):
        described = described.type
    if isinstance(described, _LIST) and key.isdecimal():
        return int(key), described.item_type
    section = section_in(described)
    if section is None or isinstance(described, _LIST):
        raise SettingsInvalid(
            f"The environment variable {variable} names no setting: '{place}' has no '{key}'."
        )
    info = types.type_info(section)
    fields = {f.name: f.type for f in info.fields} if isinstance(info, types.StructType) else {}
    if key not in fields:
        raise SettingsInvalid(
            f"The environment variable {variable} names no setting '{_join(place, key)}'.",
            f"{_nearest(key, fields, place)} Variables that begin with {PREFIX} are settings of "
            "this server; unset those that other programs want.",
        )
    return key, fields[key]


def _descend(container: Any, index: str | int, described: types.Type, variable: str) -> Any:
    """Return the section or list at this key, made where it is absent."""
    while isinstance(described, types.Metadata):
        described = described.type
    empty: Any = [] if isinstance(described, _LIST) else {}
    inner = container.get(index) if isinstance(index, str) else None
    if isinstance(index, int):
        _need_index(container, index, variable)
        inner = container[index] if index < len(container) else None
    if inner is None:
        inner = empty
        _put(container, index, inner)
    if type(inner) is not type(empty):
        raise SettingsInvalid(
            f"The environment variable {variable} reaches into '{index}', which is {_kind(inner)}."
        )
    return inner


def _need_index(container: list[Any], index: int, variable: str) -> None:
    if index > len(container):
        raise SettingsInvalid(
            f"The environment variable {variable} leaves a gap in a list.",
            f"The next free number is {len(container)}.",
        )


def _put(container: Any, index: str | int, value: Any) -> None:
    if isinstance(index, int) and index == len(container):
        container.append(value)
    else:
        container[index] = value


def _parse(text: str, described: types.Type, variable: str) -> Any:
    """Return text as it is for settings that are text, and parsed as YAML for all others.

    Nothing at all is `null` where a text may be absent; a password may well be the word "null".
    """
    match described:
        case types.Metadata():
            return _parse(text, described.type, variable)
        case types.StrType() | types.LiteralType():
            return text
        case types.UnionType() if all(isinstance(one, _TEXT_OR_NONE) for one in described.types):
            return text or None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsInvalid(f"The environment variable {variable} is not YAML.") from error


def _convert(values: dict[str, Any], source: str) -> Settings:
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        where = place.removeprefix(".").removesuffix("`")
        wrong = re.sub(r"`(\w+)`", lambda found: _WORDS.get(found[1], found[0]), what)
        wrong = wrong[:1].lower() + wrong[1:]
        raise SettingsInvalid(
            f"{source}: {where or 'settings'}: {wrong}.", _choices_at(where)
        ) from error


def _choices_at(place: str) -> str:
    """Return which words may stand at a place of the settings; empty where others may, too."""
    described: types.Type = types.type_info(Settings)
    for name in re.findall(r"\w+", re.sub(r"\[[^]]*\]", "", place)):
        section = section_in(described)
        info = types.type_info(section) if section else described
        if not isinstance(info, types.StructType):
            return ""
        described = next(field.type for field in info.fields if field.encode_name == name)
    words = choices(described)
    return f"One of these is expected: {', '.join(words)}." if words else ""


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "a section"
        case list():
            return "a list"
        case str():
            return "text"
    return f"`{value}`"
