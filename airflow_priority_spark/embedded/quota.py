# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota: refused at creation with the API server's sentence, and counted in ``status.used``.

Usage is kept per namespace and changed by each write, never recounted: hundreds of executors that retry every
second against a full quota must cost nothing. Counted as upstream: a pod that has finished holds only
``count/pods``, and so does one that is still there a whole grace after the moment it was to be gone. Sources:
apiserver ``pkg/admission/plugin/resourcequota/controller.go``, kubernetes
``pkg/quota/v1/evaluator/core/{pods,services,persistent_volume_claims}.go``.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from airflow_priority_spark.embedded.errors import forbidden
from airflow_priority_spark.embedded.kinds import CLAIMS, PODS, RESOURCE_QUOTAS, SERVICES, Kind
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
from airflow_priority_spark.embedded.quota_rules import has_scopes, matches_scopes
from airflow_priority_spark.embedded.store import Change, Record, Store

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
    """Admits objects to their namespace's quotas and keeps ``status.hard`` and ``status.used``.

    What an object takes counts at once: the API server writes it while it admits. What a controller has to
    see first comes ``lag`` seconds later: what an object gives back, and what a quota says. Until its
    ``status.hard`` is written, a quota keeps nobody out.

    :param lag: in seconds; may be changed while it runs.
    """

    def __init__(self, store: Store, kinds: tuple[Kind, ...], lag: float = 0.0) -> None:
        self._store = store
        self.lag = lag
        # By namespace, and by the uid of each quota that has scopes.
        self._used: dict[str, Resources] = defaultdict(dict)
        self._charged: dict[tuple[str, str], Resources] = {}
        for kind in kinds:
            self.follow(kind)

    def follow(self, kind: Kind) -> None:
        """Count a kind's objects from now on."""
        if kind.namespaced:
            self._store.listen(kind, partial(self._record, kind))

    def admit(self, kind: Kind, obj: Object) -> None:
        """Raise ``ApiError`` 403 when a quota of the object's namespace does not let it in."""
        namespace = obj["metadata"].get("namespace", "")
        quotas = [
            record.data
            for record in (self._store.all(RESOURCE_QUOTAS, namespace) if namespace else ())
            if not has_scopes(record.data) or (kind is PODS and matches_scopes(record.data, obj))
        ]
        name, usage = obj["metadata"]["name"], usage_of(kind, obj)
        for quota in quotas:
            if kind is PODS and (missing := _unspecified(obj["spec"], _hard(quota))):
                raise forbidden(
                    kind, name, f"failed quota: {quota['metadata']['name']}: must specify {missing}"
                )
        for quota in quotas:
            if sentence := self._excess(quota, usage):
                raise forbidden(kind, name, sentence)

    def _excess(self, quota: Object, usage: Resources) -> str | None:
        hard, taken = _hard(quota), self._used[_account(quota)]
        used = {name: taken.get(name, ZERO) for name in hard}
        exceeded = sorted(
            name
            for name in hard
            if usage.get(name, ZERO).nanos and used[name].nanos + usage[name].nanos > hard[name].nanos
        )
        if not exceeded:
            return None
        requested, held, limited = (
            ",".join(f"{name}={amounts[name]}" for name in exceeded) for amounts in (usage, used, hard)
        )
        name = quota["metadata"]["name"]
        return f"exceeded quota: {name}, requested: {requested}, used: {held}, limited: {limited}"

    def _record(self, kind: Kind, change: Change) -> None:
        obj = change.record.data
        namespace, gone = obj["metadata"]["namespace"], change.type == "DELETED"
        usage = {} if gone else usage_of(kind, obj)
        self._charge(namespace, namespace, obj, usage)
        if kind is PODS:
            for record in self._store.all(RESOURCE_QUOTAS, namespace):
                if has_scopes(record.data):
                    counted = usage if not gone and matches_scopes(record.data, obj) else {}
                    self._charge(record.data["metadata"]["uid"], namespace, obj, counted)
            if not gone and is_terminating(obj):
                self._look_again_after_grace(obj)
        elif kind is RESOURCE_QUOTAS:
            self._open(obj, gone=gone)
            if not gone and _hard(obj) != parse_all(obj["spec"].get("hard")):
                self._later(self._note, namespace, obj["metadata"]["name"])

    def _charge(self, account: str, namespace: str, obj: Object, after: Resources) -> None:
        key = account, obj["metadata"]["uid"]
        before = self._charged.pop(key, {})
        if after:
            self._charged[key] = after
        if before == after:
            return
        freed = any(before[name].nanos > after.get(name, ZERO).nanos for name in before)
        if freed:
            self._later(self._settle, account, namespace, before, after)
        else:
            self._settle(account, namespace, before, after)

    def _later(self, action: Callable[..., None], *arguments: object) -> None:
        if self.lag:
            asyncio.get_running_loop().call_later(self.lag, action, *arguments)
        else:
            action(*arguments)

    def _settle(self, account: str, namespace: str, before: Resources, after: Resources) -> None:
        self._used[account] = add(subtract(self._used[account], before), after)
        self._publish(namespace)

    def _open(self, quota: Object, *, gone: bool) -> None:
        """Begin to count for a quota with scopes, or stop."""
        account = quota["metadata"]["uid"]
        if gone:
            self._used.pop(account, None)
            self._charged = {key: value for key, value in self._charged.items() if key[0] != account}
        elif has_scopes(quota) and account not in self._used:
            self._used[account] = {}
            for record in self._store.all(PODS, quota["metadata"]["namespace"]):
                if matches_scopes(quota, record.data):
                    usage = usage_of(PODS, record.data)
                    self._charged[account, record.data["metadata"]["uid"]] = usage
                    self._used[account] = add(self._used[account], usage)

    def _look_again_after_grace(self, pod: Object) -> None:
        rest = _counted_seconds(pod)
        if rest > 0:
            key = pod["metadata"]["namespace"], pod["metadata"]["name"]
            asyncio.get_running_loop().call_later(rest + 0.01, self._recount, *key)

    def _recount(self, namespace: str, name: str) -> None:
        record = self._store.get(PODS, namespace, name)
        if record is not None:
            self._record(PODS, Change("MODIFIED", record, record))

    def _note(self, namespace: str, name: str) -> None:
        """Write what a quota says into its status; from now on it is enforced."""
        record = self._store.get(RESOURCE_QUOTAS, namespace, name)
        if record is not None:
            self._write_status(record, parse_all(record.data["spec"].get("hard")))

    def _publish(self, namespace: str) -> None:
        for record in list(self._store.all(RESOURCE_QUOTAS, namespace)):
            if hard := _hard(record.data):
                self._write_status(record, hard)

    def _write_status(self, record: Record, hard: Resources) -> None:
        taken = self._used[_account(record.data)]
        used = {name: taken.get(name, ZERO) for name in hard}
        status = {"hard": printed(hard), "used": printed(used)}
        if record.data.get("status") != status:
            metadata = dict(record.data["metadata"])
            self._store.put(RESOURCE_QUOTAS, {**record.data, "metadata": metadata, "status": status})


def _account(quota: Object) -> str:
    """Return where a quota's usage is kept: one without scopes shares its namespace's."""
    return quota["metadata"]["uid"] if has_scopes(quota) else quota["metadata"]["namespace"]


def usage_of(kind: Kind, obj: Object) -> Resources:
    """Return what an object holds, under every name a quota may give it."""
    usage = {f"count/{kind.resource}": ONE}
    if kind.plural in _COUNTED_BY_NAME and not kind.group:
        usage[kind.plural] = ONE
    if kind is CLAIMS:
        usage |= _storage(obj)
    if kind is SERVICES:
        usage |= _doors(obj["spec"])
    if kind is PODS and _holds_compute(obj):
        usage |= {"pods": ONE, **_compute(pod_requests(obj["spec"]), pod_limits(obj["spec"]))}
    return usage


def _storage(claim: Object) -> Resources:
    asked = parse_all((claim["spec"].get("resources") or {}).get("requests")).get("storage", ZERO)
    usage = {"persistentvolumeclaims": ONE, "requests.storage": asked}
    if name := claim["spec"].get("storageClassName"):
        place = f"{name}.storageclass.storage.k8s.io"
        usage |= {f"{place}/requests.storage": asked, f"{place}/persistentvolumeclaims": ONE}
    return usage


def _doors(service: Mapping[str, Any]) -> Resources:
    balanced = service.get("type") == "LoadBalancer"
    opened = service.get("type") == "NodePort" or (
        balanced and service.get("allocateLoadBalancerNodePorts", True)
    )
    ports = len(service.get("ports") or ()) if opened else 0
    return {"services.nodeports": Quantity(ports * NANO), "services.loadbalancers": ONE if balanced else ZERO}


def _holds_compute(pod: Object) -> bool:
    return not is_finished(pod) and not (is_terminating(pod) and _counted_seconds(pod) <= 0)


def _counted_seconds(pod: Object) -> float:
    """Return how long a pod that was asked to go is still counted.

    ``deletionTimestamp`` is when it is to be gone; upstream (``QuotaV1Pod``) adds the grace a second time.
    """
    metadata = pod["metadata"]
    return seconds_until(metadata["deletionTimestamp"]) + metadata.get("deletionGracePeriodSeconds", 0)


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
    """Return what is enforced: what the quota's status says."""
    return parse_all((quota.get("status") or {}).get("hard"))
