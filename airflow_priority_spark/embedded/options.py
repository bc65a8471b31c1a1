# SPDX-License-Identifier: Apache-2.0
"""Reads the patches and options of requests; what cannot be read is refused in the API server's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from aiohttp import web

from airflow_priority_spark.embedded.deletion import Deletion
from airflow_priority_spark.embedded.errors import (
    ApiError,
    bad_request,
    invalid_options,
    unsupported_media_type,
)
from airflow_priority_spark.embedded.field_types import type_of
from airflow_priority_spark.embedded.kinds import Kind
from airflow_priority_spark.embedded.patches import json_patch, merge_patch, strategic_merge_patch
from airflow_priority_spark.embedded.reading import read_text

APPLY_TYPES = ("application/apply-patch+yaml",)
_JSON_PATCH, _MERGE = "application/json-patch+json", "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
Mutation = Callable[[dict[str, Any]], dict[str, Any]]


async def read_yaml(request: web.Request) -> Any:
    """Return the body of an apply patch."""
    try:
        return yaml.safe_load(await read_text(request))
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error


async def read_patch(request: web.Request, kind: Kind, *, custom: bool) -> Mutation:
    """Return what a patch does to an object; raises 415 for a kind of patch that is not known.

    :param custom: whether a definition describes the kind: its lists have no keys to merge by.
    """
    form = request.content_type
    if form not in (_JSON_PATCH, _MERGE, _STRATEGIC):
        raise unsupported_media_type()
    if custom and form == _STRATEGIC:
        known = ", ".join((_JSON_PATCH, _MERGE, *APPLY_TYPES))
        message = f"the body of the request was in an unknown format - accepted media types include: {known}"
        raise ApiError(415, "UnsupportedMediaType", message)
    patch = await _read_json(request)
    if form == _JSON_PATCH:
        return lambda data: json_patch(data, patch)
    if not isinstance(patch, dict):
        raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
    if form == _MERGE:
        return lambda data: merge_patch(data, patch)
    return lambda data: strategic_merge_patch(data, patch, type_of(kind))


def as_told_to_patches(error: ApiError, *, custom: bool) -> ApiError:
    """Return an error as a patch meets it: what is wrong with metadata is told twice upstream."""
    causes = error.details.get("causes", [])
    if error.code == 422 and not custom and all(one["field"].startswith("metadata.") for one in causes):
        error.details |= {"causes": [*causes, *causes]} if causes else {}
    return error


def field_manager(request: web.Request) -> str:
    """Return who owns the fields that a request changes: who it says, or which program sent it."""
    agent = request.headers.get("User-Agent", "").partition("/")[0]
    return request.query.get("fieldManager") or agent or "unknown"


def is_dry_run(values: Sequence[str], options: str) -> bool:
    """Return whether nothing is to be stored; raises 422 for any value but ``All``."""
    given = [value for value in values if value]
    if set(given) - {"All"}:
        shown = json.dumps(given, separators=(",", ":"))
        why = f'Unsupported value: {shown}: supported values: "All"'
        raise invalid_options(options, ("dryRun", why, "FieldValueNotSupported"))
    return bool(given)


def read_deletion(query: Mapping[str, str], body: Mapping[str, Any]) -> Deletion:
    """Return how to delete; the body wins over the query."""
    if body.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request(f"the object provided is unrecognized: {body['kind']} is no DeleteOptions")
    options = {key: value for key, value in query.items() if key in _IN_QUERY} | dict(body)
    policy = options.get("propagationPolicy")
    if policy not in (None, "Foreground", "Background", "Orphan"):
        why = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise invalid_options("DeleteOptions", ("propagationPolicy", why, "FieldValueNotSupported"))
    if policy and options.get("orphanDependents") is not None:
        why = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        raise invalid_options("DeleteOptions", ("propagationPolicy", why, "FieldValueInvalid"))
    if str(options.get("orphanDependents")).lower() == "true":
        policy = "Orphan"
    dry_run = options.get("dryRun") or []
    conditions = options.get("preconditions") or {}
    return Deletion(
        uid=conditions.get("uid"),
        resource_version=conditions.get("resourceVersion"),
        grace_seconds=_seconds(options.get("gracePeriodSeconds")),
        policy=policy,
        dry_run=is_dry_run([dry_run] if isinstance(dry_run, str) else dry_run, "DeleteOptions"),
    )


def _seconds(value: Any) -> int | None:
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError) as error:
        why = "json: cannot unmarshal into Go struct field DeleteOptions.gracePeriodSeconds of type int64"
        raise bad_request(why) from error


_IN_QUERY = ("propagationPolicy", "orphanDependents", "gracePeriodSeconds", "dryRun")


async def _read_json(request: web.Request) -> Any:
    text = await read_text(request)
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
