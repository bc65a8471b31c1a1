# SPDX-License-Identifier: Apache-2.0
"""From what a client sends to an object: every field known and of its type, or 400 in the API server's words.

Upstream decodes JSON into Go structs; its sentences name the struct, the path of the field without positions,
and the type that was wanted. Fields that no struct has are dropped, with a warning, or refused
(``fieldValidation=Strict``). Source: sigs.k8s.io/json and apimachinery ``pkg/runtime/serializer/json``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_priority_spark.embedded import quantities
from airflow_priority_spark.embedded.errors import ApiError, bad_request
from airflow_priority_spark.embedded.field_types import (
    INT_OR_STRING,
    METADATA,
    QUANTITY,
    TIMES,
    Schema,
    resolved,
    type_of,
    types,
)
from airflow_priority_spark.embedded.kinds import Kind

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# A flag is a number in Python: it comes first.
_JSON_NAMES = ((bool, "bool"), (str, "string"), ((int, float), "number"), (list, "array"), (dict, "object"))
_RANGES = {"int32": 2**31, "int64": 2**63}


class Undecodable(Exception):
    """The body does not fit its kind; the text is what the decoder says."""


def decode(kind: Kind, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return an object of a built-in kind with its known fields only, and the paths of the others.

    :raises Undecodable: for a value of a wrong type.
    """
    walk = _Walk()
    return walk.struct(type_of(kind), body, kind.kind, "", ""), walk.unknown


def decode_metadata(body: Mapping[str, Any], kind: Kind) -> tuple[dict[str, Any], list[str]]:
    """Return a custom resource with its metadata decoded; the rest is for its schema."""
    walk = _Walk()
    if "metadata" not in body:
        return dict(body), []
    metadata = walk.value({"$ref": METADATA}, body["metadata"], kind.kind, "metadata", "metadata")
    return {**body, "metadata": metadata}, walk.unknown


def cannot_be_handled(kind: Kind, why: object) -> ApiError:
    """400 for a body that is not one of its kind."""
    return bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')


class _Walk:
    """One pass over a body; ``path`` is as Go tells it, ``place`` with positions."""

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def struct(self, schema: Schema, value: Any, owner: str, path: str, place: str) -> dict[str, Any]:
        known, name = resolved(schema)["properties"], _go_name(schema)
        found = {}
        for key, item in value.items():
            inner = f"{place}.{key}" if place else key
            if key not in known:
                self.unknown.append(inner)
            elif item is not None:
                struct = name or owner
                found[key] = self.value(known[key], item, struct, f"{path}.{key}" if path else key, inner)
        return found

    def value(self, schema: Schema, value: Any, owner: str, path: str, place: str) -> Any:
        reference = schema.get("$ref", "")
        if reference in _SPECIAL:
            return _SPECIAL[reference](value, owner, path)
        kind = resolved(schema)
        if "properties" in kind:
            _expect(value, Mapping, owner, path, _go_type(schema))
            return self.struct(schema, value, owner, path, place)
        if kind.get("type") == "array":
            return self._list(kind, value, owner, path, place)
        if kind.get("type") == "object" and "additionalProperties" in kind:
            _expect(value, Mapping, owner, path, _go_type(kind))
            inner = kind["additionalProperties"]
            return {
                key: self._element(inner, item, owner, path, f"{place}.{key}") for key, item in value.items()
            }
        return _scalar(kind, value, owner, path)

    def _list(self, kind: Schema, value: Any, owner: str, path: str, place: str) -> list[Any]:
        _expect(value, list, owner, path, _go_type(kind))
        inner = kind["items"]
        return [
            self._element(inner, item, owner, path, f"{place}[{index}]") for index, item in enumerate(value)
        ]

    def _element(self, schema: Schema, value: Any, owner: str, path: str, place: str) -> Any:
        """Decode an item of a list or map, where ``null`` stands for the empty value of its type."""
        if value is not None:
            return self.value(schema, value, owner, path, place)
        kind = resolved(schema)
        empty: dict[Any, Any] = {"object": {}, "string": "", "array": []}
        return {} if "properties" in kind else empty.get(kind.get("type"))


def _expect(value: Any, wanted: type, owner: str, path: str, shown: str) -> None:
    if not isinstance(value, wanted):
        raise _mismatch(value, owner, path, shown)


def _mismatch(value: Any, owner: str, path: str, wanted: str) -> Undecodable:
    found = next(name for shape, name in _JSON_NAMES if isinstance(value, shape))
    if found == "number" and wanted.startswith("int"):
        found = f"number {value}"
    return Undecodable(f"json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}")


def _scalar(kind: Schema, value: Any, owner: str, path: str) -> Any:
    shape = kind.get("type")
    if shape == "string" and not isinstance(value, str):
        raise _mismatch(value, owner, path, "string")
    if kind.get("format") == "byte":
        _check_base64(value)
    if shape == "boolean" and not isinstance(value, bool):
        raise _mismatch(value, owner, path, "bool")
    if shape == "integer":
        return _integer(value, kind.get("format", "int64"), owner, path)
    return value


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except ValueError as error:
        good = re.match(r"[A-Za-z0-9+/]*", text)
        position = good.end() if good else 0
        raise Undecodable(f"illegal base64 data at input byte {position}") from error


def _integer(value: Any, form: str, owner: str, path: str) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not -_RANGES[form] <= value < _RANGES[form]:
        raise _mismatch(value, owner, path, form)
    number: int = value
    return number


def _quantity(value: Any, _owner: str, _path: str) -> str:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    try:
        quantities.parse(text if isinstance(text, str) else "")
    except ValueError as error:
        raise Undecodable(str(error)) from error
    return str(text)


def _int_or_string(value: Any, owner: str, path: str) -> int | str:
    return value if isinstance(value, str) else _integer(value, "int32", owner, path)


def _time(value: Any, owner: str, path: str) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, owner, path, "string")
    if not _TIME.fullmatch(value):
        layout = "2006-01-02T15:04:05Z07:00"
        raise Undecodable(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"')
    return value


_SPECIAL: Mapping[str, Callable[[Any, str, str], Any]] = {
    QUANTITY: _quantity,
    INT_OR_STRING: _int_or_string,
    **dict.fromkeys(TIMES, _time),
}


def _go_name(schema: Schema) -> str:
    return schema.get("$ref", "").rpartition(".")[2]


def _go_type(schema: Schema) -> str:
    """Return a type as Go writes it: ``[]v1.Container``, ``map[string]string``."""
    reference = schema.get("$ref")
    if reference and "properties" in types()[reference]:
        return ".".join(reference.split(".")[-2:])
    kind = resolved(schema)
    if kind.get("type") == "array":
        return f"[]{_go_type(kind['items'])}"
    if "additionalProperties" in kind:
        return f"map[string]{_go_type(kind['additionalProperties'])}"
    if reference == QUANTITY:
        return "resource.Quantity"
    return {"boolean": "bool", "integer": kind.get("format", "int64")}.get(kind.get("type", ""), "string")
