"""Takes the facts of the specification's OpenAPI files, and leaves their sentences behind.

`python -m tests.spec.take FOLDER` renews tests/vectors/client_server_api.json. The folder holds
the specification's data: `api/client-server/*.yaml` and what these refer to, either itself or in
a folder `data`. The result is an OpenAPI document, too: paths with their versions, parameters,
bodies and answers with their schemas, but no description, example or title.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson
import yaml

from tests.spec.document import FILE

Json: TypeAlias = Any
VERSION: Final = "v1.19"

_SCHEMAS: Final = frozenset({"additionalProperties", "items", "propertyNames"})
"""Keywords whose value is a schema."""
_SCHEMA_MAPS: Final = frozenset({"patternProperties", "properties"})
_SCHEMA_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf"})
_PLAIN: Final = frozenset(
    {
        *("const", "enum", "format", "maximum", "maxItems", "maxLength", "minimum", "minItems"),
        *(
            "minLength",
            "minProperties",
            "maxProperties",
            "pattern",
            "required",
            "type",
            "uniqueItems",
        ),
    }
)
_PROSE: Final = frozenset(
    {
        *("$comment", "$id", "$schema", "default", "deprecated", "description", "example"),
        *("examples", "externalDocs", "title"),
    }
)
_JSON: Final = "application/json"
_METHODS: Final = frozenset({"delete", "get", "post", "put"})


class UnknownKeyword(Exception):
    """The specification says something in a way that is not known here."""


class Taker:
    """Collects the operations of all files, and the schemas that several of them share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, Json] = {}
        self._names: dict[str, str] = {}
        """Where each named schema comes from."""
        self.schemas: dict[str, Json] = {}
        self.paths: dict[str, dict[str, Json]] = {}

    def take_file(self, file: Path) -> None:
        """Take all operations of a file."""
        document = self._read(file)
        base = document["servers"][0]["variables"]["basePath"]["default"]
        for path, item in document["paths"].items():
            shared = item.get("parameters", [])
            for method, operation in item.items():
                if method in _METHODS:
                    facts = self._operation(file, operation, shared)
                    # A second use of an endpoint is written down with a blank behind its path.
                    found = self.paths.setdefault((base + path).strip(), {})
                    found[method] = _joined(found[method], facts) if method in found else facts

    def _operation(self, file: Path, operation: Json, shared: list[Json]) -> Json:
        parameters = [*shared, *operation.get("parameters", [])]
        facts: dict[str, Json] = {
            "operationId": operation["operationId"],
            "security": operation.get("security", []),
            "parameters": [self._parameter(file, one) for one in parameters],
            "responses": {
                str(status): self._response(file, response)
                for status, response in operation["responses"].items()
            },
        }
        if operation.get("deprecated"):
            facts["deprecated"] = True
        if "requestBody" in operation:
            body_file, body = self._followed(file, operation["requestBody"])
            facts["requestBody"] = {
                "required": body.get("required", False),
                "content": self._content(body_file, body["content"]),
            }
        return facts

    def _parameter(self, file: Path, given: Json) -> Json:
        file, parameter = self._followed(file, given)
        facts = {
            "in": parameter["in"],
            "name": parameter["name"],
            "required": parameter.get("required", False),
        }
        if "content" in parameter:
            facts["content"] = self._content(file, parameter["content"])
        else:
            facts["schema"] = self._schema(file, parameter["schema"])
        for keyword in ("style", "explode"):
            if keyword in parameter:
                facts[keyword] = parameter[keyword]
        return facts

    def _response(self, file: Path, given: Json) -> Json:
        file, response = self._followed(file, given)
        facts = {}
        if "content" in response:
            facts["content"] = self._content(file, response["content"])
        if "headers" in response:
            facts["headers"] = {
                name: self._header(file, header) for name, header in response["headers"].items()
            }
        return facts

    def _header(self, file: Path, given: Json) -> Json:
        file, header = self._followed(file, given)
        return {
            "required": header.get("required", False),
            "schema": self._schema(file, header.get("schema", {})),
        }

    def _content(self, file: Path, content: Mapping[str, Json]) -> Json:
        return {
            kind: {"schema": self._schema(file, value.get("schema", {}))}
            for kind, value in content.items()
        }

    def _schema(self, file: Path, schema: Json) -> Json:
        if isinstance(schema, bool):
            return schema
        facts: dict[str, Json] = {}
        for keyword, value in schema.items():
            if keyword == "$ref":
                facts[keyword] = self._reference(file, value.strip())
            elif keyword in _SCHEMAS:
                facts[keyword] = self._schema(file, value)
            elif keyword in _SCHEMA_MAPS:
                facts[keyword] = {name: self._schema(file, one) for name, one in value.items()}
            elif keyword in _SCHEMA_LISTS:
                facts[keyword] = [self._schema(file, one) for one in value]
            elif keyword in _PLAIN:
                facts[keyword] = value
            elif keyword not in _PROSE and not keyword.startswith("x-"):
                raise UnknownKeyword(f"{file}: {keyword}")
        return facts

    def _reference(self, file: Path, reference: str) -> str:
        """Return the place of a named schema in the document, after taking it there."""
        target, fragment = self._target(file, reference)
        name = "_".join([*_of_other_api(target), target.stem, *fragment.split("/")[3:]])
        source = f"{target}#{fragment}"
        if self._names.setdefault(name, source) != source:
            raise UnknownKeyword(f"{name} is {source} and {self._names[name]}")
        if name not in self.schemas:
            self.schemas[name] = {}  # a schema may refer to itself
            self.schemas[name] = self._schema(target, _at(self._read(target), fragment))
        return f"#/components/schemas/{name}"

    def _followed(self, file: Path, given: Json) -> tuple[Path, Json]:
        """Return what a parameter, header, body or answer really is, and in which file."""
        if "$ref" not in given:
            return file, given
        target, fragment = self._target(file, given["$ref"])
        return self._followed(target, _at(self._read(target), fragment))

    @staticmethod
    def _target(file: Path, reference: str) -> tuple[Path, str]:
        name, _, fragment = reference.partition("#")
        return (Path(os.path.normpath(file.parent / name)) if name else file), fragment

    def _read(self, file: Path) -> Json:
        if file not in self._files:
            text = (self._folder / file).read_text(encoding="utf-8")
            self._files[file] = yaml.safe_load(text)
        return self._files[file]


def _joined(one: Json, other: Json) -> Json:
    """Return what holds for an endpoint that is described twice, for each use that it has."""
    known = {(parameter["in"], parameter["name"]) for parameter in one["parameters"]}
    joined = dict(one)
    joined["parameters"] = one["parameters"] + [
        parameter
        for parameter in other["parameters"]
        if (parameter["in"], parameter["name"]) not in known
    ]
    joined["responses"] = other["responses"] | one["responses"]
    if "requestBody" in one:
        schemas = [use["requestBody"]["content"][_JSON]["schema"] for use in (one, other)]
        content = {_JSON: {"schema": {"anyOf": schemas}}}
        joined["requestBody"] = one["requestBody"] | {"content": content}
    return joined


def _of_other_api(file: Path) -> list[str]:
    """Return the name of the API that a file belongs to, if it is not the client's."""
    api = file.parts[1]
    return [api] if file.parts[0] == "api" and api != "client-server" else []


def _at(document: Json, fragment: str) -> Json:
    for part in fragment.split("/")[1:]:
        document = document[part]
    return document


def take(folder: Path) -> Json:
    """Return the document of all facts."""
    taker = Taker(folder)
    for file in sorted(folder.glob("api/client-server/*.yaml")):
        taker.take_file(file.relative_to(folder))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Client-Server API", "version": VERSION},
        "paths": taker.paths,
        "components": {
            "schemas": taker.schemas,
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer"}
                for name in ("accessTokenBearer", "appserviceAccessTokenBearer")
            },
        },
    }


def main() -> None:
    """Renew the file."""
    folder = Path(sys.argv[1])
    document = take(folder / "data" if (folder / "data").is_dir() else folder)
    lines = orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    FILE.write_bytes(lines + b"\n")


if __name__ == "__main__":
    main()
