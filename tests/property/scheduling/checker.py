# SPDX-License-Identifier: Apache-2.0
"""A second, naive opinion on what fits, sharing no code with the product.

Quota: add everything up, key by key, as the documentation of ResourceQuota says. Nodes: try every
assignment of pods to nodes (with the room that is left), which is slow and cannot be wrong.
"""

from __future__ import annotations

from functools import cache

EFFECTS = ("NoSchedule", "NoExecute")


def quota_use(key, requests, limits, count):
    """Return what ``count`` equal pods use of a quota key, in base units."""
    if key in ("pods", "count/pods"):
        return count
    if key.startswith("limits."):
        return limits[key[7:]] * count
    if key == "count/services":
        return 0
    return requests[key.replace("requests.", "")] * count


def defaulted(limits, namespace, cluster):
    filled = {}
    for found in cluster.limit_ranges:
        if found.namespace == namespace:
            filled.update(found.items[0].maximum.as_dict())
    return type(limits)({**filled, **limits.as_dict()})


def used_by_pods(cluster, namespace, key):
    return sum(
        quota_use(key, pod.requests, pod.limits, 1)
        for pod in cluster.pods
        if pod.namespace == namespace and (pod.counts_quota or key == "count/pods")
    )


def promised(cluster, grants, namespace, key):
    """Return what grants charge beyond the pods that are there, and their services while one is missing."""
    total = 0
    for grant in grants:
        if grant.queue.namespace != namespace:
            continue
        complete = True
        for pods in grant.demand.pod_sets:
            own = [
                p
                for p in cluster.pods
                if (p.namespace, p.job_id, p.pod_set) == (namespace, grant.job_id, pods.name)
                and p.counts_quota
            ]
            missing = max(0, pods.count - len(own))
            complete = complete and not missing
            limits = defaulted(pods.limits, namespace, cluster)
            total += quota_use(key, pods.requests, limits, missing)
        if key == "count/services" and not complete:
            total += grant.demand.objects[key]
    return total


def demand_use(cluster, namespace, key, demand):
    total = demand.objects[key] if key == "count/services" else 0
    for pods in demand.pod_sets:
        total += quota_use(key, pods.requests, defaulted(pods.limits, namespace, cluster), pods.count)
    return total


def over_committed_quotas(cluster, grants, admitted):
    """Return every quota line that the admitted jobs push beyond its hard limit."""
    broken = []
    for quota in cluster.quotas:
        demands = [job.demand for job in admitted if job.queue.namespace == quota.namespace]
        for key in quota.keys:
            added = sum(demand_use(cluster, quota.namespace, key, demand) for demand in demands)
            before = max(quota.used[key], used_by_pods(cluster, quota.namespace, key))
            before += promised(cluster, grants, quota.namespace, key)
            if added and before + added > quota.hard[key]:
                broken.append((quota.name, key, before, added, quota.hard[key]))
    return broken


def accepts(node, pods):
    labels = all(node.labels.get(name) == value for name, value in pods.node_selector)
    return (
        node.ready
        and labels
        and all(
            taint.effect not in EFFECTS
            or any(t.key in ("", taint.key) and t.effect in ("", taint.effect) for t in pods.tolerations)
            for taint in node.taints
        )
    )


def some_placement_exists(cluster, demands):
    """Tell whether all pods of some demands fit beside the pods that are bound, trying every assignment."""
    names = ("cpu", "memory", "pods", "nvidia.com/gpu")
    room = []
    for node in cluster.nodes:
        left = [node.allocatable[name] for name in names]
        for pod in cluster.pods:
            if pod.node == node.name and pod.counts_node:
                left = [a - (1 if n == "pods" else pod.requests[n]) for a, n in zip(left, names, strict=True)]
        room.append(tuple(left))
    todo = [pods for demand in demands for pods in demand.pod_sets for _ in range(max(0, pods.count))]
    todo.sort(key=repr, reverse=True)

    @cache
    def fits(index, state):
        if index == len(todo):
            return True
        pods = todo[index]
        need = [1 if n == "pods" else pods.requests[n] for n in names]
        for where, left in enumerate(state):
            enough = all(n <= 0 or n <= a for n, a in zip(need, left, strict=True))
            if enough and accepts(cluster.nodes[where], pods):
                after = tuple(a - n for a, n in zip(left, need, strict=True))
                if fits(index + 1, (*state[:where], after, *state[where + 1 :])):
                    return True
        return False

    return fits(0, tuple(room))
