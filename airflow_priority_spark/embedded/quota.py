# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota: refused at creation with the API server's sentence, and counted in ``status.used``.

Usage is kept per namespace and changed by each write, never recounted: hundreds of executors that retry every
second against a full quota must cost nothing. Counted as upstream: a pod that has finished, or is past its
deletion grace, holds only ``count/pods``. Sources: apiserver
``pkg/admission/plugin/resourcequota/controller.go``, kubernetes ``pkg/quota/v1/evaluator/core/pods.go``.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_priority_spark.embedded.errors import forbidden
from airflow_priority_spark.embedded.kinds import PODS, RESOURCE_QUOTAS, Kind
from airflow_priority_spark.embedded.objects import Object, is_finished, is_terminating, seconds_until
from airflow_priority_spark.embedded.pods import (
    Resources,
    add,
    container_resources,
    pod_limits,
    pod_requests,
    subtract,
)
from airflow_priority_spark.embedded.quantities import NANO, ZERO, Quantity, parse_all, printed
from airflow_priority_spark.embedded.store import Change, Store

ONE = Quantity(NANO)
_STANDARD = ("cpu", "memory", "ephemeral-storage")
# A quota on these makes every container of the namespace name them.
_MUST_BE_SPECIFIED = (
    "cpu",
    "memory",
    *(f"{which}.{name}" for which in ("requests", "limits") for name in ("cpu", "memory")),
)
# Core kinds that a quota may also count under their bare name.
_COUNTED_BY_NAME = ("services", "configmaps", "resourcequotas")


class QuotaLedger:
    """Admits objects to their namespace's quotas and keeps ``status.hard`` and ``status.used``."""

    def __init__(self, store: Store, kinds: tuple[Kind, ...]) -> None:
        self._store = store
        self._used: dict[str, Resources] = defaultdict(dict)
        self._charged: dict[str, Resources] = {}
        for kind in kinds:
            if kind.namespaced:
                store.listen(kind, partial(self._record, kind))

    def admit(self, kind: Kind, obj: Object) -> None:
        """Raise ``ApiError`` 403 when a quota of the object's namespace does not let it in."""
        namespace = obj["metadata"].get("namespace", "")
        quotas = [
            (record.data["metadata"]["name"], _hard(record.data))
            for record in self._store.all(RESOURCE_QUOTAS, namespace)
        ]
        if not namespace or not quotas:
            return
        name, usage = obj["metadata"]["name"], usage_of(kind, obj)
        for quota, hard in quotas:
            if kind is PODS and (missing := _unspecified(obj["spec"], hard)):
                raise forbidden(kind, name, f"failed quota: {quota}: must specify {missing}")
        for quota, hard in quotas:
            if sentence := self._excess(namespace, quota, hard, usage):
                raise forbidden(kind, name, sentence)

    def _excess(self, namespace: str, quota: str, hard: Resources, usage: Resources) -> str | None:
        used = {name: self._used[namespace].get(name, ZERO) for name in hard}
        exceeded = sorted(
            name for name in hard if name in usage and used[name].nanos + usage[name].nanos > hard[name].nanos
        )
        if not exceeded:
            return None
        requested, taken, limited = (
            ",".join(f"{name}={amounts[name]}" for name in exceeded) for amounts in (usage, used, hard)
        )
        return f"exceeded quota: {quota}, requested: {requested}, used: {taken}, limited: {limited}"

    def _record(self, kind: Kind, change: Change) -> None:
        obj = change.record.data
        namespace, uid = obj["metadata"]["namespace"], obj["metadata"]["uid"]
        before = self._charged.pop(uid, {})
        after = {} if change.type == "DELETED" else usage_of(kind, obj)
        if after:
            self._charged[uid] = after
        if before != after:
            self._used[namespace] = add(subtract(self._used[namespace], before), after)
        if before != after or kind is RESOURCE_QUOTAS:
            self._publish(namespace)
        if kind is PODS and change.type != "DELETED" and is_terminating(obj):
            self._look_again_after_grace(obj)

    def _look_again_after_grace(self, pod: Object) -> None:
        rest = seconds_until(pod["metadata"]["deletionTimestamp"])
        if rest > 0:
            key = pod["metadata"]["namespace"], pod["metadata"]["name"]
            asyncio.get_running_loop().call_later(rest + 0.01, self._recount, *key)

    def _recount(self, namespace: str, name: str) -> None:
        record = self._store.get(PODS, namespace, name)
        if record is not None:
            self._record(PODS, Change("MODIFIED", record, record))

    def _publish(self, namespace: str) -> None:
        for record in list(self._store.all(RESOURCE_QUOTAS, namespace)):
            hard = _hard(record.data)
            used = {name: self._used[namespace].get(name, ZERO) for name in hard}
            status = {"hard": printed(hard), "used": printed(used)}
            if record.data.get("status") != status:
                metadata = dict(record.data["metadata"])
                self._store.put(RESOURCE_QUOTAS, {**record.data, "metadata": metadata, "status": status})


def usage_of(kind: Kind, obj: Object) -> Resources:
    """Return what an object holds, under every name a quota may give it."""
    usage = {f"count/{kind.resource}": ONE}
    if kind.plural in _COUNTED_BY_NAME and not kind.group:
        usage[kind.plural] = ONE
    if kind is PODS and _holds_compute(obj):
        usage |= {"pods": ONE, **_compute(pod_requests(obj["spec"]), pod_limits(obj["spec"]))}
    return usage


def _holds_compute(pod: Object) -> bool:
    past_grace = is_terminating(pod) and seconds_until(pod["metadata"]["deletionTimestamp"]) <= 0
    return not is_finished(pod) and not past_grace


def _compute(requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]) -> Resources:
    usage: Resources = {}
    for name, amount in requests.items():
        if name in _STANDARD or name.startswith("hugepages-"):
            usage[name] = amount
        usage[f"requests.{name}"] = amount
    return usage | {f"limits.{name}": amount for name, amount in limits.items() if name in _STANDARD}


def _unspecified(spec: Mapping[str, Any], hard: Resources) -> str:
    missing: dict[str, set[str]] = defaultdict(set)
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        named = _compute(container_resources(container, "requests"), container_resources(container, "limits"))
        for name in _MUST_BE_SPECIFIED:
            if name in hard and name not in named:
                missing[name].add(container["name"])
    return "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))


def _hard(quota: Object) -> Resources:
    return parse_all(quota.get("spec", {}).get("hard"))
