# SPDX-License-Identifier: Apache-2.0
"""Measures what the demo claims, without believing the product.

A thread lists pods, quotas and nodes through the Kubernetes API during the whole run and adds up
what the pods request, with the client's own quantity parser. Nothing here knows grants or queues.
Stuck executors are counted too: a quota that is never exceeded but full of drivers without executors
would be the deadlock that this project exists to prevent.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.utils.quantity import parse_quantity
from urllib3.exceptions import HTTPError

INTERVAL_SECONDS: Final = 0.5
#: A driver creates its executors within seconds, and a pod that has room is bound at once.
STUCK_SECONDS: Final = 30.0
#: Longer without a look, and the run would not have been measured.
LONGEST_GAP_SECONDS: Final = 15.0
_SPARK: Final = ("sparkoperator.k8s.io", "v1beta2", "sparkapplications")


class Witness(threading.Thread):
    """Looks at the namespaces until ``stop``; what it found is in its attributes.

    :param namespaces: whose quotas, pods and applications are looked at.
    :param nodes: also compare every pod of the cluster with the nodes.
    """

    def __init__(self, kubeconfig: Path, namespaces: Iterable[str], *, nodes: bool) -> None:
        super().__init__(name="witness", daemon=True)
        api = config.new_client_from_config(str(kubeconfig))
        self.core, self._custom = client.CoreV1Api(api), client.CustomObjectsApi(api)
        self._namespaces, self._nodes = tuple(namespaces), nodes
        self._done = threading.Event()
        self._waiting_since: dict[str, float] = {}
        self.over_commitments: list[str] = []
        self.stuck: list[str] = []
        self.peaks: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        self.samples = 0
        self.longest_gap = 0.0
        self.fault = ""

    def run(self) -> None:
        """Look until told to stop; an API that does not answer makes a gap, not an end."""
        last = time.monotonic()
        while not self._done.wait(INTERVAL_SECONDS):
            try:
                self.look()
                self.samples += 1
            except (ApiException, HTTPError) as error:
                self.fault = str(error)
                continue
            now = time.monotonic()
            self.longest_gap, last = max(self.longest_gap, now - last), now

    def stop(self) -> None:
        """End after the look that is under way."""
        self._done.set()
        self.join()

    @property
    def complete(self) -> bool:
        """Whether the whole run was seen."""
        return self.samples > 0 and self.longest_gap <= LONGEST_GAP_SECONDS

    def look(self) -> None:
        """Look once."""
        everyone: list[Any] = []
        starving_now: dict[str, str] = {}
        for namespace in self._namespaces:
            pods = self.core.list_namespaced_pod(namespace).items
            everyone += pods
            for quota in self.core.list_namespaced_resource_quota(namespace).items:
                self._compare_quota(namespace, quota.spec.hard or {}, pods)
            apps = self._custom.list_namespaced_custom_object(_SPARK[0], _SPARK[1], namespace, _SPARK[2])
            starving_now |= starving(apps["items"], pods)
        self._remember(starving_now)
        if self._nodes:
            for node in self.core.list_node().items:
                self._compare_node(node, everyone)

    def _compare_quota(self, namespace: str, hard: Mapping[str, str], pods: Iterable[Any]) -> None:
        used = usage(pod for pod in pods if counts_for_quota(pod))
        for key, limit in hard.items():
            most = parse_quantity(limit)
            peak, _ = self.peaks.get((namespace, key), (Decimal(0), most))
            self.peaks[namespace, key] = max(peak, Decimal(used[key])), most
            if used[key] > most:
                self._found(f"{namespace}: pods request {used[key]} of {limit} {key}")

    def _compare_node(self, node: Any, pods: Iterable[Any]) -> None:
        mine = [pod for pod in pods if pod.spec.node_name == node.metadata.name]
        used = usage(pod for pod in mine if not has_finished(pod))
        for resource, amount in node.status.allocatable.items():
            key = resource if resource == "pods" else f"requests.{resource}"
            if used[key] > parse_quantity(amount):
                self._found(f"{node.metadata.name}: pods request {used[key]} of {amount} {resource}")

    def _found(self, text: str) -> None:
        if text not in self.over_commitments:
            self.over_commitments.append(text)

    def _remember(self, starving_now: Mapping[str, str]) -> None:
        """Turn what starves for too long into findings."""
        now = time.monotonic()
        for name, text in starving_now.items():
            if now - self._waiting_since.setdefault(name, now) > STUCK_SECONDS and text not in self.stuck:
                self.stuck.append(text)
        for name in self._waiting_since.keys() - starving_now.keys():
            del self._waiting_since[name]


def usage(pods: Iterable[Any]) -> Mapping[str, Decimal]:
    """Add up what pods use, by the keys of a ResourceQuota."""
    used: dict[str, Decimal] = defaultdict(Decimal)
    for pod in pods:
        for kind in ("requests", "limits"):
            for resource, amount in pod_amounts(pod, kind).items():
                used[f"{kind}.{resource}"] += amount
                if kind == "requests":
                    used[resource] += amount
        used["pods"] += 1
        used["count/pods"] += 1
    return used


def has_finished(pod: Any) -> bool:
    """Tell whether a pod's containers have ended for good."""
    return pod.status.phase in ("Succeeded", "Failed")


def counts_for_quota(pod: Any) -> bool:
    """Tell whether the quota controller counts a pod (Kubernetes ``pkg/quota/v1/evaluator/core/pods.go``)."""
    ends = pod.metadata.deletion_timestamp
    grace = timedelta(seconds=pod.metadata.deletion_grace_period_seconds or 0)
    overdue = ends is not None and ends + grace < datetime.now(UTC)
    return not has_finished(pod) and not overdue


def pod_amounts(pod: Any, kind: str) -> dict[str, Decimal]:
    """Return a pod's requests or limits: the sum of its containers, or its largest init container."""
    total: dict[str, Decimal] = defaultdict(Decimal)
    for resource, amount in _amounts(pod.spec.containers, kind):
        total[resource] += amount
    for resource, amount in _amounts(pod.spec.init_containers or (), kind):
        total[resource] = max(total[resource], amount)
    return total


def _amounts(containers: Iterable[Any], kind: str) -> Iterator[tuple[str, Decimal]]:
    for container in containers:
        for resource, amount in (getattr(container.resources, kind, None) or {}).items():
            yield resource, parse_quantity(amount)


def starving(applications: Iterable[Mapping[str, Any]], pods: Iterable[Any]) -> dict[str, str]:
    """Return what cannot go on for want of room, by name: unbound pods, drivers without their executors."""
    found: dict[str, str] = {}
    executors: Counter[str] = Counter()
    for pod in pods:
        labels = pod.metadata.labels or {}
        name = f"{pod.metadata.namespace}/{pod.metadata.name}"
        if labels.get("spark-role") == "executor":
            executors[labels.get("sparkoperator.k8s.io/app-name", "")] += 1
        if pod.status.phase == "Pending" and not pod.spec.node_name:
            found[name] = f"pod {name} has waited for a node for more than {STUCK_SECONDS:g} s"
    for app in applications:
        name, wanted = app["metadata"]["name"], app["spec"]["executor"].get("instances", 1)
        state = (app.get("status") or {}).get("applicationState", {}).get("state")
        if state == "RUNNING" and executors[name] < wanted:
            where = f"{app['metadata']['namespace']}/{name}"
            found[where] = (
                f"driver {where} has {executors[name]} of {wanted} executors for {STUCK_SECONDS:g} s"
            )
    return found
