# SPDX-License-Identifier: Apache-2.0
"""Label and field selectors, as ``list``, ``watch`` and ``deletecollection`` take them.

Source of the syntax: apimachinery ``pkg/labels/selector.go`` and ``pkg/fields/selector.go``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_priority_spark.embedded.errors import bad_request
from airflow_priority_spark.embedded.kinds import EVENTS, NAMESPACES, NODES, PODS, Kind

Object = Mapping[str, Any]
Predicate = Callable[[Object], bool]
LabelTest = Callable[[Mapping[str, str]], bool]

_KEY = r"[A-Za-z0-9][-A-Za-z0-9_./]*"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^)]*)\)")
_EQUALITY = re.compile(rf"({_KEY})\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")

_COMMON_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS: dict[Kind, tuple[str, ...]] = {
    PODS: (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
    ),
    EVENTS: (
        *(
            f"involvedObject.{part}"
            for part in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")
        ),
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "type",
    ),
    NAMESPACES: ("status.phase",),
    NODES: ("spec.unschedulable",),
}


def compile_selectors(kind: Kind, labels: str, fields: str) -> Predicate:
    """Return a test for objects of ``kind``; raises ``ApiError`` 400 when a selector cannot be read."""
    label_tests = [_label_test(part.strip()) for part in _split(labels)]
    field_tests = [_field_test(kind, part.strip()) for part in _split(fields)]

    def matches(obj: Object) -> bool:
        own = obj["metadata"].get("labels") or {}
        return all(test(own) for test in label_tests) and all(test(obj) for test in field_tests)

    return matches


def _split(selector: str) -> list[str]:
    return _OUTSIDE_PARENTHESES.split(selector) if selector.strip() else []


def _label_test(text: str) -> LabelTest:
    if match := _SET.fullmatch(text):
        key, operator, listed = match.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUALITY.fullmatch(text):
        key, operator, value = match.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.fullmatch(text):
        negated, key = match.groups()
        return lambda labels: (key in labels) != bool(negated)
    raise bad_request(f"unable to parse requirement: found '{text}', expected: a label requirement")


def _field_test(kind: Kind, text: str) -> Predicate:
    field, operator, value = re.fullmatch(r"([^!=]*)(!=|==|=)?(.*)", text).groups()  # type: ignore[union-attr]
    if operator is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")
    if field not in (*_COMMON_FIELDS, *_FIELDS.get(kind, ())):
        raise bad_request(f"field label not supported: {field}")
    path = field.split(".")
    return lambda obj: (_field(obj, path) == value) != (operator == "!=")


def _field(obj: Any, path: list[str]) -> str:
    for part in path:
        obj = obj.get(part) if isinstance(obj, Mapping) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)
