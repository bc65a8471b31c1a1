# SPDX-License-Identifier: Apache-2.0
"""The JSON form of what a pod set requires besides its amounts: affinity, labels, containers, quota scopes.

Only what is there is written, so that the request of an ordinary job stays as small as it was. It is
read as strictly as the rest of a request: whoever may write a DAG may write this text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from airflow_priority_spark.errors import InvalidRequest
from airflow_priority_spark.scheduling.constraints import (
    NO_AFFINITY,
    Affinity,
    NodeTerm,
    PodTerm,
    Requirement,
    Requirements,
    Spread,
)
from airflow_priority_spark.scheduling.model import ANY_SCOPE, Container, PodScope, PodSet
from airflow_priority_spark.scheduling.resources import Resources

#: Keys of a pod set that this module writes and reads.
KEYS: Final = frozenset({"affinity", "labels", "containers", "scope"})
_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_JOBS: Final = ("", "same", "other")
_KINDS: Final = ("", "init", "sidecar")
_MOST: Final = 100

Item = TypeVar("Item")


def to_json(pods: PodSet) -> dict[str, Any]:
    """Return what is there, by key."""
    found: dict[str, Any] = {}
    if pods.affinity != NO_AFFINITY:
        found["affinity"] = {
            name: [_plain(term._asdict()) for term in terms]
            for name, terms in pods.affinity._asdict().items()
        }
    if pods.labels:
        found["labels"] = dict(pods.labels)
    if pods.containers:
        found["containers"] = [
            {**one._asdict(), "requests": one.requests.as_dict(), "limits": one.limits.as_dict()}
            for one in pods.containers
        ]
    if pods.scope != ANY_SCOPE:
        found["scope"] = pods.scope._asdict()
    return found


def _plain(value: Any) -> Any:
    """Return tuples as lists: the trigger's kwargs are plain JSON."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def affinity(value: Any, where: str) -> Affinity:
    """Read an affinity.

    :raises InvalidRequest: naming the field.
    """
    data = _object({} if value is None else value, where, Affinity._fields)
    return Affinity(
        nodes=_items(data.get("nodes"), f"{where}.nodes", _node_term),
        near=_items(data.get("near"), f"{where}.near", _pod_term),
        apart=_items(data.get("apart"), f"{where}.apart", _pod_term),
        spread=_items(data.get("spread"), f"{where}.spread", _spread),
    )


def labels(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Read labels.

    :raises InvalidRequest: naming the field.
    """
    data = _object({} if value is None else value, where)
    return tuple(sorted((str(name), _text(text, f"{where}.{name}")) for name, text in data.items()))


def containers(value: Any, where: str, amounts: Callable[[Any, str], Resources]) -> tuple[Container, ...]:
    """Read containers.

    :param amounts: reads resource amounts.
    :raises InvalidRequest: naming the field.
    """

    def container(item: Any, place: str) -> Container:
        data = _object(item, place, Container._fields)
        return Container(
            _text(data.get("name"), f"{place}.name"),
            amounts(data.get("requests", {}), f"{place}.requests"),
            amounts(data.get("limits", {}), f"{place}.limits"),
            cast("Any", _one_of(data.get("kind", ""), f"{place}.kind", _KINDS)),
        )

    return _items(value, where, container)


def scope(value: Any, where: str) -> PodScope:
    """Read what the scopes of quotas look at.

    :raises InvalidRequest: naming the field.
    """
    data = _object({} if value is None else value, where, PodScope._fields)
    flags = {
        name: _flag(data.get(name, False), f"{where}.{name}")
        for name in ("deadline", "best_effort", "cross_namespace")
    }
    return PodScope(_text(data.get("priority_class", ""), f"{where}.priority_class"), **flags)


def _node_term(value: Any, where: str) -> NodeTerm:
    data = _object(value, where, NodeTerm._fields)
    return NodeTerm(
        _requirements(data.get("labels"), f"{where}.labels"),
        _requirements(data.get("fields"), f"{where}.fields"),
    )


def _pod_term(value: Any, where: str) -> PodTerm:
    data = _object(value, where, PodTerm._fields)
    other = data.get("namespace_selector")
    return PodTerm(
        _text(data.get("topology_key"), f"{where}.topology_key"),
        _selector(data, where),
        _items(data.get("namespaces"), f"{where}.namespaces", _text),
        None if other is None else _requirements(other, f"{where}.namespace_selector"),
        cast("Any", _one_of(data.get("job", ""), f"{where}.job", _JOBS)),
    )


def _spread(value: Any, where: str) -> Spread:
    data = _object(value, where, Spread._fields)
    return Spread(
        _text(data.get("topology_key"), f"{where}.topology_key"),
        _whole(data.get("max_skew", 1), f"{where}.max_skew"),
        _selector(data, where),
        _whole(data.get("min_domains", 1), f"{where}.min_domains"),
        cast("Any", _one_of(data.get("job", ""), f"{where}.job", _JOBS)),
        _flag(data.get("honor_affinity", True), f"{where}.honor_affinity"),
        _flag(data.get("honor_taints", False), f"{where}.honor_taints"),
    )


def _selector(data: Mapping[str, Any], where: str) -> Requirements | None:
    value = data.get("selector")
    return None if value is None else _requirements(value, f"{where}.selector")


def _requirements(value: Any, where: str) -> Requirements:
    return _items(value, where, _requirement)


def _requirement(value: Any, where: str) -> Requirement:
    """Read a requirement: a NamedTuple is a list in JSON."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise InvalidRequest(where, value, "a list of key, operator and values")
    key, operator, values = value
    return Requirement(
        _text(key, f"{where}.key"),
        _one_of(operator, f"{where}.operator", _OPERATORS),
        _items(values, f"{where}.values", _text),
    )


def _items(value: Any, where: str, read: Callable[[Any, str], Item]) -> tuple[Item, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidRequest(where, value, "a list")
    if len(value) > _MOST:
        raise InvalidRequest(where, f"{len(value)} items", f"at most {_MOST}")
    return tuple(read(item, f"{where}[{index}]") for index, item in enumerate(value))


def _object(value: Any, where: str, known: tuple[str, ...] | None = None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(where, value, "an object")
    unknown = sorted(str(name) for name in value if known is not None and name not in known)
    if known is not None and unknown:
        raise InvalidRequest(f"{where}.{unknown[0]}", "present", f"one of {', '.join(sorted(known))}")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > 2000:
        raise InvalidRequest(where, value, "a string of at most 2000 characters")
    return value


def _one_of(value: Any, where: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidRequest(where, value, ", ".join(one or "nothing" for one in allowed))
    return str(value)


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(where, value, "true or false")
    return value


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
        raise InvalidRequest(where, value, "a whole number of at least 1")
    return value
