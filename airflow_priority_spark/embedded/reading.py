# SPDX-License-Identifier: Apache-2.0
"""Reads the objects that requests carry: JSON or YAML, decoded as their kind, unknown fields warned about.

``fieldValidation`` says what becomes of unknown and doubled fields: ``Warn`` (the default; a ``Warning``
header that ``kubectl`` prints), ``Strict`` (refused) or ``Ignore``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml
from aiohttp import web

from airflow_priority_spark.embedded.catalog import Catalog
from airflow_priority_spark.embedded.decoding import Undecodable, cannot_be_handled, decode, decode_metadata
from airflow_priority_spark.embedded.errors import ApiError, bad_request, invalid_options
from airflow_priority_spark.embedded.kinds import Kind
from airflow_priority_spark.embedded.schemas import prune

Data = dict[str, Any]
JSON, YAML = "application/json", "application/yaml"
# Where a request keeps what its answer is to warn about.
WARNINGS = web.RequestKey("warnings", list[str])
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_UNKNOWN_FORMAT = "the body of the request was in an unknown format - accepted media types include: "


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its names were given more than once."""

    doubled: tuple[str, ...] = ()


async def read_object(request: web.Request, kind: Kind, catalog: Catalog, options: str) -> Data:
    """Return the object that a request carries.

    :param options: what the API server calls the request's options, as ``CreateOptions``.
    :raises ApiError: 400 when it is not one of its kind, 413, 415, or 422 for an unknown ``fieldValidation``.
    """
    body = await read_body(request, kind.kind)
    doubled = [f'duplicate field "{path}"' for path in _doubled(body, "")]
    try:
        data, unknown = known_fields(kind, catalog, body)
    except Undecodable as error:
        raise cannot_be_handled(kind, error) from error
    found = doubled + [f'unknown field "{path}"' for path in unknown]
    if found and is_strict(request, options):
        raise cannot_be_handled(kind, f"strict decoding error: {', '.join(found)}")
    warn(request, found)
    return data


def patched(
    request: web.Request, kind: Kind, catalog: Catalog, mutation: Callable[[Data], Data]
) -> Callable[[Data], Data]:
    """Return a mutation whose result is read as if it had been sent; 422 when it cannot be."""
    strict = is_strict(request, "PatchOptions")

    def changed(data: Data) -> Data:
        after = mutation(data)
        try:
            found, unknown = known_fields(kind, catalog, after)
        except Undecodable as error:
            raise _unreadable(after, str(error)) from error
        told = [f'unknown field "{path}"' for path in unknown]
        if told and strict:
            raise _unreadable(after, f"strict decoding error: {', '.join(told)}")
        warn(request, told)
        return found

    return changed


def known_fields(kind: Kind, catalog: Catalog, body: Mapping[str, Any]) -> tuple[Data, list[str]]:
    """Return an object with the fields its kind has, and the paths of the others."""
    definition = catalog.definition(kind)
    if definition is None:
        return decode(kind, body)
    data, unknown = decode_metadata(body, kind)
    dropped: list[str] = []
    return prune(data, definition.schema, dropped), unknown + sorted(dropped)


def is_strict(request: web.Request, options: str) -> bool:
    """Whether unknown fields are refused; raises 422 when ``fieldValidation`` is none."""
    value = request.query.get("fieldValidation", "")
    if value not in _VALIDATIONS:
        allowed = ", ".join(f'"{one}"' for one in _VALIDATIONS)
        why = f'Unsupported value: "{value}": supported values: {allowed}'
        raise invalid_options(options, ("fieldValidation", why, "FieldValueNotSupported"))
    return value == "Strict"


def warn(request: web.Request, texts: list[str]) -> None:
    """Let the answer warn, unless the request wants none of it."""
    if request.query.get("fieldValidation") != "Ignore":
        request[WARNINGS] = [*request.get(WARNINGS, []), *texts]


async def read_body(request: web.Request, wanted: str) -> Data:
    """Return the JSON or YAML object of a request.

    :param wanted: the kind that should be sent, for the message.
    """
    text = await read_text(request)
    if request.content_type not in (JSON, YAML, "application/octet-stream"):
        known = f"{JSON}, {YAML}, application/vnd.kubernetes.protobuf"
        raise ApiError(415, "UnsupportedMediaType", _UNKNOWN_FORMAT + known)
    head = f"the object provided is unrecognized (must be of type {wanted}): "
    try:
        found = yaml.safe_load(text) if request.content_type == YAML else parse(text)
    except yaml.YAMLError as error:
        raise bad_request(f"{head}yaml: {error} ({text.encode().hex()[:40]})") from error
    except ValueError as error:
        raise bad_request(f"{head}couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(found, dict):
        shape = "array" if isinstance(found, list) else type(found).__name__
        why = f"json: cannot unmarshal {shape} into Go value of type struct"
        raise bad_request(f"{head}couldn't get version/kind; json parse error: {why}")
    return found


async def read_text(request: web.Request) -> str:
    """Return the body of a request; raises 413 when it is too large."""
    try:
        return await request.text()
    except web.HTTPRequestEntityTooLarge as error:
        message = f"Request entity too large: limit is {request.app._client_max_size}"
        raise ApiError(413, "RequestEntityTooLarge", message) from error


def parse(text: str) -> Any:
    """Read JSON; raises ``ValueError``."""
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        found.doubled = tuple(name for name in found if names.count(name) > 1)
    return found


def _doubled(value: Any, place: str) -> Iterator[str]:
    """Yield the paths of fields that were given more than once."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _doubled(item, f"{place}[{index}]")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            inner = f"{place}.{name}" if place else name
            if isinstance(value, _Object) and name in value.doubled:
                yield inner
            yield from _doubled(item, inner)


def _unreadable(data: Data, why: str) -> ApiError:
    shown = json.dumps(json.dumps(data, separators=(",", ":")))
    message = f"Invalid value: {shown}: {why}"
    cause = {"reason": "FieldValueInvalid", "message": message, "field": "patch"}
    return ApiError(422, "Invalid", f' "" is invalid: patch: {message}', {"causes": [cause]})
