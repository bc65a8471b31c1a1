# SPDX-License-Identifier: Apache-2.0
"""Structural schemas of custom resources: unknown fields are dropped, the rest is checked.

The sentences are the API server's: its validator is kube-openapi's ``pkg/validation`` and its causes come
from apiextensions-apiserver ``pkg/apiserver/validation/validation.go``.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_priority_spark.embedded.errors import Cause

Schema = Mapping[str, Any]
_KEPT_AT_THE_TOP = ("apiVersion", "kind", "metadata")


def prune(value: Any, schema: Schema, dropped: list[str], path: str = "") -> Any:
    """Return a value without the fields its schema does not know; their paths go to ``dropped``."""
    if isinstance(value, list) and "items" in schema:
        return [prune(item, schema["items"], dropped, f"{path}[{i}]") for i, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    kept = {}
    for key, item in value.items():
        inner = f"{path}.{key}" if path else key
        known = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
        if not path and key in _KEPT_AT_THE_TOP:
            kept[key] = item
        elif known and item is None and not known.get("nullable"):
            # Nothing is no value of a type that may not be nothing.
            continue
        elif known:
            kept[key] = prune(item, known, dropped, inner)
        elif schema.get("x-kubernetes-preserve-unknown-fields"):
            kept[key] = item
        else:
            dropped.append(inner)
    return kept


def with_defaults(value: Any, schema: Schema) -> Any:
    """Return a value with the defaults of its schema where it says nothing."""
    if isinstance(value, list) and "items" in schema:
        return [with_defaults(item, schema["items"]) for item in value]
    if not isinstance(value, Mapping):
        return value
    known = schema.get("properties", {})
    given = {name: copy.deepcopy(one["default"]) for name, one in known.items() if "default" in one}
    found = {**value, **{name: one for name, one in given.items() if value.get(name) is None}}
    return {
        name: with_defaults(item, known.get(name) or schema.get("additionalProperties") or {})
        for name, item in found.items()
    }


def faults(value: Any, schema: Schema, path: str = "") -> list[Cause]:
    """Return what is wrong with a value, as the causes of a 422."""
    return list(_faults(value, schema, path))


def _faults(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if value is None and schema.get("nullable"):
        return
    wrong = _wrong_type(value, schema, path)
    if wrong:
        yield wrong
        if isinstance(value, float) and "format" in schema:
            why = f"Checked value must be of type integer with format {schema['format']} in {path}"
            yield "<nil>", f'Invalid value: "": {why}', "FieldValueInvalid"
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(json.dumps(item) for item in schema["enum"])
        why = f"Unsupported value: {json.dumps(value)}: supported values: {allowed}"
        yield path, why, "FieldValueNotSupported"
    if wrong:
        return
    yield from _out_of_bounds(value, schema, path)
    if isinstance(value, Mapping):
        yield from _faults_of_fields(value, schema, path)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _faults(item, schema["items"], f"{path}[{index}]")
        yield from _doubled(value, schema, path)


def _doubled(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    """Tell of the items of a list that is a map or a set which are there already."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys is None and schema.get("x-kubernetes-list-type") != "set":
        return
    seen: list[str] = []
    for index, item in enumerate(value):
        own = {name: item.get(name) for name in keys} if keys else item
        shown = json.dumps(own, separators=(",", ":"), sort_keys=True)
        if shown in seen:
            yield f"{path}[{index}]", f"Duplicate value: {shown}", "FieldValueDuplicate"
        seen.append(shown)


def _faults_of_fields(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield _inner(path, name), "Required value", "FieldValueRequired"
    for name, item in sorted(value.items()):
        known = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
        if known and (item is not None or name not in schema.get("required", ())):
            yield from _faults(item, known, _inner(path, name))


def _inner(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_TESTS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
}
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def _wrong_type(value: Any, schema: Schema, path: str) -> Cause | None:
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        wanted, fits = "integer,string", _TESTS["integer"](value) or isinstance(value, str)
    else:
        fits = wanted is None or _TESTS[wanted](value)
    if fits:
        return None
    shown = json.dumps(_NAMES.get(type(value), "null"))
    if isinstance(value, float) and "format" in schema:
        shown, wanted = json.dumps("float64"), schema["format"]
    # A status is checked by itself.
    message = f"{path.removeprefix('status.')} in body must be of type {wanted}: {shown}"
    return path, f"Invalid value: {shown}: {message}", "FieldValueTypeInvalid"


def _out_of_bounds(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    for name, is_within, text in _BOUNDS:
        if name in schema and not is_within(value, schema[name]):
            shown = json.dumps(len(value) if isinstance(value, list) else value)
            why = f"Invalid value: {shown}: {path} in body {text.format(schema[name])}"
            yield path, why, "FieldValueInvalid"
    yield from _too_much(value, schema, path)
    if schema.get("format") == "date-time" and isinstance(value, str) and not _TIME.fullmatch(value):
        why = f'{path} in body must be of type date-time: "{value}"'
        yield path, f'Invalid value: "{value}": {why}', "FieldValueTypeInvalid"


def _too_much(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """Yield what is too long or too many, which has sentences of its own."""
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield path, f"Too long: may not be more than {schema['maxLength']} bytes", "FieldValueTooLong"
    name = "maxItems" if isinstance(value, list) else "maxProperties"
    if isinstance(value, list | Mapping) and len(value) > schema.get(name, len(value)):
        most = schema[name]
        items = "item" if most == 1 else "items"
        yield path, f"Too many: {len(value)}: must have at most {most} {items}", "FieldValueTooMany"


_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
# The keyword, whether a value is within it, and the sentence when it is not.
_BOUNDS: tuple[tuple[str, Callable[[Any, Any], bool], str], ...] = (
    ("minimum", lambda value, bound: value >= bound, "should be greater than or equal to {}"),
    ("maximum", lambda value, bound: value <= bound, "should be less than or equal to {}"),
    ("minLength", lambda value, bound: len(value) >= bound, "should be at least {} chars long"),
    ("minItems", lambda value, bound: len(value) >= bound, "should have at least {} items"),
    ("minProperties", lambda value, bound: len(value) >= bound, "should have at least {} properties"),
    (
        "pattern",
        lambda value, bound: not isinstance(value, str) or re.search(bound, value) is not None,
        "should match '{}'",
    ),
)
