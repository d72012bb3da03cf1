"""Typed access to the fields of a JSON object from the network."""

from typing import Any, overload

from matrix.errors import BadJson, MissingParam


class Fields:
    """A JSON object, read field by field.

    A field that is absent or null raises `MissingParam` where it is required and gives the
    default where it is optional; a value of another type raises `BadJson`.
    """

    __slots__ = ("_path", "raw")

    def __init__(self, raw: dict[str, Any], path: str = "") -> None:
        self.raw = raw
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self.raw.get(name) is not None

    def _required(self, name: str) -> Any:
        value = self.raw.get(name)
        if value is None:
            raise MissingParam(f"The field {self._path}{name} is missing.")
        return value

    def _wrong(self, name: str, expected: str) -> BadJson:
        return BadJson(f"The field {self._path}{name} is not {expected}.")

    def string(self, name: str) -> str:
        """Return a required string."""
        value = self._required(name)
        if type(value) is not str:
            raise self._wrong(name, "a string")
        return value

    @overload
    def optional_string(self, name: str) -> str | None: ...
    @overload
    def optional_string(self, name: str, default: str) -> str: ...
    def optional_string(self, name: str, default: str | None = None) -> str | None:
        """Return a string, or the default."""
        return self.string(name) if name in self else default

    def integer(self, name: str) -> int:
        """Return a required integer."""
        value = self._required(name)
        if type(value) is not int:
            raise self._wrong(name, "an integer")
        return value

    @overload
    def optional_integer(self, name: str) -> int | None: ...
    @overload
    def optional_integer(self, name: str, default: int) -> int: ...
    def optional_integer(self, name: str, default: int | None = None) -> int | None:
        """Return an integer, or the default."""
        return self.integer(name) if name in self else default

    @overload
    def boolean(self, name: str) -> bool: ...
    @overload
    def boolean(self, name: str, default: bool) -> bool: ...  # noqa: FBT001 (a default, not a mode)
    def boolean(self, name: str, default: bool | None = None) -> bool:  # noqa: FBT001 (a default)
        """Return a boolean; it is required if there is no default."""
        if default is not None and name not in self:
            return default
        value = self._required(name)
        if type(value) is not bool:
            raise self._wrong(name, "a boolean")
        return value

    def json_object(self, name: str) -> dict[str, Any]:
        """Return a required object as it is."""
        value: Any = self._required(name)
        if type(value) is not dict:
            raise self._wrong(name, "an object")
        return value

    def optional_json_object(self, name: str) -> dict[str, Any] | None:
        """Return an object as it is, or `None`."""
        return self.json_object(name) if name in self else None

    def object(self, name: str) -> "Fields":
        """Return the fields of a required object."""
        return Fields(self.json_object(name), f"{self._path}{name}.")

    def optional_object(self, name: str) -> "Fields | None":
        """Return the fields of an object, or `None`."""
        return self.object(name) if name in self else None

    def list_of_strings(self, name: str) -> list[str]:
        """Return a required list of strings."""
        value: Any = self._required(name)
        if type(value) is not list or any(type(item) is not str for item in value):
            raise self._wrong(name, "a list of strings")
        return value

    def optional_list_of_strings(self, name: str) -> list[str]:
        """Return a list of strings, empty where there is none."""
        return self.list_of_strings(name) if name in self else []

    def list_of_objects(self, name: str) -> list["Fields"]:
        """Return the fields of each object of a required list."""
        value: Any = self._required(name)
        if type(value) is not list or any(type(item) is not dict for item in value):
            raise self._wrong(name, "a list of objects")
        return [Fields(item, f"{self._path}{name}[{at}].") for at, item in enumerate(value)]

    def optional_list_of_objects(self, name: str) -> list["Fields"]:
        """Return the fields of each object of a list, empty where there is none."""
        return self.list_of_objects(name) if name in self else []
