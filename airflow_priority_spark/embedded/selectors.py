# SPDX-License-Identifier: Apache-2.0
"""Label and field selectors, as ``list``, ``watch`` and ``deletecollection`` take them.

Source of the syntax: apimachinery ``pkg/labels/selector.go`` and ``pkg/fields/selector.go``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_priority_spark.embedded.errors import ApiError, bad_request
from airflow_priority_spark.embedded.kinds import (
    CLAIMS,
    CONFIG_MAPS,
    EVENTS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    PODS,
    RESOURCE_QUOTAS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Kind,
)
from airflow_priority_spark.embedded.naming import key_faults

Object = Mapping[str, Any]
Predicate = Callable[[Object], bool]
LabelTest = Callable[[Mapping[str, str]], bool]

_TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")
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
# Kinds without fields of their own have another sentence.
_STRICT = (CONFIG_MAPS, SERVICES, RESOURCE_QUOTAS, LIMIT_RANGES, SERVICE_ACCOUNTS, CLAIMS)


def compile_selectors(kind: Kind, labels: str, fields: str) -> Predicate:
    """Return a test for objects of ``kind``; raises ``ApiError`` 400 when a selector cannot be read."""
    label_tests = _label_tests(labels)
    field_tests = [_field_test(kind, part.strip()) for part in fields.split(",") if part.strip()]

    def matches(obj: Object) -> bool:
        own = obj["metadata"].get("labels") or {}
        return all(test(own) for test in label_tests) and all(test(obj) for test in field_tests)

    return matches


class _Words:
    """The tokens of a label selector, read from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def next(self) -> str:
        token = self.peek()
        self._at += 1
        return token


def _label_tests(selector: str) -> list[LabelTest]:
    """Read a label selector (``Parser`` upstream)."""
    words = _Words(selector)
    tests: list[LabelTest] = []
    if not words.peek():
        return tests
    while True:
        tests.append(_requirement(words))
        separator = words.next()
        if not separator:
            return tests
        if separator != ",":
            raise _unreadable(f"found '{separator}', expected: ',' or 'end of string'", bare=True)
        if not _is_word(words.peek()) and words.peek() != "!":
            raise _unreadable(f"found '{words.peek()}', expected: identifier after ','", bare=True)


def _requirement(words: _Words) -> LabelTest:
    negated = words.peek() == "!"
    if negated:
        words.next()
    if not _is_word(words.peek()):
        found = words.peek()
        raise _unreadable(f"found '{found}', expected: !, identifier, or 'end of string'", bare=True)
    key = words.next()
    if faults := key_faults(key):
        raise _unreadable(f'<nil>: Invalid value: "{key}": {faults[0]}')
    if negated:
        return lambda labels: key not in labels
    if words.peek() in ("", ","):
        return lambda labels: key in labels
    return _comparison(key, words)


def _comparison(key: str, words: _Words) -> LabelTest:
    operator = words.next()
    if operator in ("in", "notin"):
        values = _values(words)
        return lambda labels: (labels.get(key) in values) == (operator == "in")
    if operator not in ("=", "==", "!=", "<", ">"):
        allowed = "in, notin, =, ==, !=, gt, lt"
        raise _unreadable(f"found '{operator}', expected: {allowed}")
    value = words.next() if _is_word(words.peek()) else ""
    if operator in ("<", ">"):
        if not re.fullmatch(r"-?\d+", value):
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise _unreadable(f'values[0][{key}]: Invalid value: "{value}": {why}')
        return lambda labels: _is_beyond(labels.get(key), operator, int(value))
    return lambda labels: (labels.get(key) == value) == (operator != "!=")


def _is_beyond(found: str | None, operator: str, bound: int) -> bool:
    if found is None or not re.fullmatch(r"-?\d+", found):
        return False
    return int(found) > bound if operator == ">" else int(found) < bound


def _values(words: _Words) -> set[str]:
    opening = words.next()
    if opening != "(":
        raise _unreadable(f"found '{opening}' expected: '('")
    values, last = set(), ""
    while (token := words.next()) != ")":
        if not token:
            raise _unreadable("found '', expected: ',', or ')'")
        if token == ",":
            values.add(last)
            last = ""
        else:
            last = token
    return values | {last}


def _is_word(token: str) -> bool:
    return bool(token) and token[0] not in "=!<>(),"


def _unreadable(why: str, *, bare: bool = False) -> ApiError:
    return bad_request(why if bare else f"unable to parse requirement: {why}")


def _field_test(kind: Kind, text: str) -> Predicate:
    field, operator, value = re.fullmatch(r"([^!=]*)(!=|==|=)?(.*)", text).groups()  # type: ignore[union-attr]
    if operator is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")
    if field not in (*_COMMON_FIELDS, *_FIELDS.get(kind, ())):
        if kind in _STRICT:
            allowed = ", ".join(f'"{name}"' for name in _COMMON_FIELDS)
            raise bad_request(f'"{field}" is not a known field selector: only {allowed}')
        raise bad_request(f"field label not supported: {field}")
    path = field.split(".")
    return lambda obj: (_field(obj, path) == value) != (operator == "!=")


def _field(obj: Any, path: list[str]) -> str:
    for part in path:
        obj = obj.get(part) if isinstance(obj, Mapping) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)
