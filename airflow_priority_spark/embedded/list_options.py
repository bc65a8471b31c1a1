# SPDX-License-Identifier: Apache-2.0
"""What lists and watches may ask for together.

Source: apimachinery ``pkg/apis/meta/internalversion/validation``.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_priority_spark.embedded.errors import ApiError, Cause, bad_request, invalid_options

_FORBIDDEN = "FieldValueForbidden"
_MATCH = "resourceVersionMatch"
_NO_NUMBER = "strconv.ParseUint: parsing"
Query = Mapping[str, str]


def check_list_options(query: Query, *, watching: bool) -> None:
    """Raise ``ApiError`` 400, 422 or 500 when a list or watch asks for something that cannot be."""
    for name in ("timeoutSeconds", "limit"):
        if not query.get(name, "0").removeprefix("-").isdigit():
            raise bad_request(f'strconv.ParseInt: parsing "{query[name]}": invalid syntax')
    causes = _watch_causes(query) if watching else _list_causes(query)
    if causes:
        raise invalid_options("ListOptions", *causes)
    version = query.get("resourceVersion", "")
    if version and not version.isdigit():
        what = f'resourceVersion: Invalid value: "{version}": {_NO_NUMBER} "{version}": invalid syntax'
        raise ApiError(500, "", what) if watching else bad_request(f"invalid resource version: {what}")
    if query.get("continue") and version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")


def _list_causes(query: Query) -> list[Cause]:
    version, match = query.get("resourceVersion", ""), query.get(_MATCH, "")
    causes: list[Cause] = []
    if match and not version:
        causes.append(_forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided"))
    if match and query.get("continue"):
        causes.append(_forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
    if match not in ("", "Exact", "NotOlderThan"):
        causes.append(_unsupported(match, '"Exact", "NotOlderThan", ""'))
    if match == "Exact" and version == "0":
        causes.append(_forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if query.get("sendInitialEvents"):
        causes.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return causes


def _watch_causes(query: Query) -> list[Cause]:
    match, initial = query.get(_MATCH, ""), query.get("sendInitialEvents")
    causes: list[Cause] = []
    if match and not initial:
        causes.append(
            _forbidden(_MATCH, f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided")
        )
    if initial and match != "NotOlderThan":
        causes.append(_forbidden(_MATCH, f"sendInitialEvents requires setting {_MATCH} to NotOlderThan"))
    if match not in ("", "NotOlderThan"):
        causes.append(_unsupported(match, '"NotOlderThan"'))
    return causes


def _forbidden(field: str, why: str) -> Cause:
    return field, f"Forbidden: {why}", _FORBIDDEN


def _unsupported(match: str, allowed: str) -> Cause:
    return _MATCH, f'Unsupported value: "{match}": supported values: {allowed}', "FieldValueNotSupported"
