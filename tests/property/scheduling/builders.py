# SPDX-License-Identifier: Apache-2.0
"""Short ways to say a snapshot; a test names only what it is about."""

from __future__ import annotations

from dataclasses import replace

from airflow_priority_spark.scheduling.model import (
    NO_RESOURCES,
    ClusterView,
    Decisions,
    Demand,
    Grant,
    HeadRules,
    LimitItem,
    LimitRangeView,
    NodeView,
    PodSet,
    PodView,
    PoolView,
    QueuedJob,
    QueueKey,
    QueueView,
    QuotaView,
    Rules,
    Snapshot,
)
from airflow_priority_spark.scheduling.resources import Resources

CLUSTER = "cluster"
TEAM_A = QueueKey(CLUSTER, "team-a")
TEAM_B = QueueKey(CLUSTER, "team-b")
GIB = 2**30


def amounts(**quantities: object) -> Resources:
    """Return amounts from Kubernetes quantities; ``_`` in a name is ``-``: ``ephemeral_storage="1Gi"``."""
    return Resources.parse({name.replace("_", "-"): text for name, text in quantities.items()})


def keys(**quantities: object) -> Resources:
    """Return quota amounts; ``_`` in a key is ``.``: ``requests_cpu="4"``."""
    return Resources.parse({name.replace("_", "."): text for name, text in quantities.items()})


def pod_set(name="executor", count=1, cpu="1", memory="1Gi", **fields) -> PodSet:
    return PodSet(name, count, amounts(cpu=cpu, memory=memory), **fields)


def demand(executors=1, cpu="1", memory="1Gi", **fields) -> Demand:
    """Return a driver of 1 CPU and 1 GiB, and executors; ``fields`` are further ones of the executors."""
    return Demand((pod_set("driver"), pod_set("executor", executors, cpu, memory, **fields)))


def driver_only(cpu="1", memory="1Gi", **fields) -> Demand:
    return Demand((pod_set("driver", 1, cpu, memory, **fields),))


def node(name="n1", cpu="8", memory="32Gi", pods="110", **fields) -> NodeView:
    extra = fields.pop("extra", {})
    return NodeView(name, Resources.parse({"cpu": cpu, "memory": memory, "pods": pods, **extra}), **fields)


def quota(hard: Resources, namespace="team-a", name=None, used=NO_RESOURCES) -> QuotaView:
    return QuotaView(namespace, name or namespace, hard, used, frozenset(hard))


def limit_range(namespace="team-a", name="small", *, maximum=NO_RESOURCES, kind="Container", **fields):
    """Return a LimitRange of one item; a container's default limit is its maximum, as the API sets it."""
    if kind == "Container":
        fields.setdefault("default_limits", maximum)
    return LimitRangeView(namespace, name, (LimitItem(kind, maximum, **fields),))


def pod(name, on=None, cpu="1", memory="1Gi", namespace="team-a", **fields) -> PodView:
    return PodView(namespace, name, on, amounts(cpu=cpu, memory=memory), **fields)


def cluster(**fields) -> ClusterView:
    """Return a cluster where only quota counts, unless nodes are named."""
    fields.setdefault("mode", "quota+nodes" if "nodes" in fields else "quota")
    for plural in ("nodes", "pods", "quotas", "limit_ranges"):
        fields[plural] = tuple(fields.get(plural, ()))
    return ClusterView(CLUSTER, **fields)


def pools(*weights: tuple[str, int]) -> tuple[PoolView, ...]:
    return tuple(PoolView(name, weight) for name, weight in weights or (("high", 90), ("normal", 10)))


def protecting(after: float) -> HeadRules:
    """Return head rules with another protection time."""
    return HeadRules(protection_seconds=after)


def queue(key=TEAM_A, **fields) -> QueueView:
    fields.setdefault("pools", pools())
    return QueueView(key, **fields)


def carried(view: QueueView, decisions: Decisions) -> QueueView:
    """Return the queue as the next cycle sees it: its pools remember what the decision told them."""
    return replace(
        view,
        pools=tuple(
            PoolView(
                pool.name, pool.weight, *decisions.pools[view.key, pool.name], pool.head_rules, pool.limit
            )
            for pool in view.pools
        ),
    )


def job(job_id, wants=None, pool="normal", key=TEAM_A, at=0.0, **fields) -> QueuedJob:
    return QueuedJob(job_id, key, pool, (float(at), 0), wants or driver_only(), **fields)


def jobs(count, wants=None, pool="normal", key=TEAM_A, prefix=None, start=0) -> list[QueuedJob]:
    """Return equal jobs, queued one second apart, named ``<pool>-000`` and so on."""
    name = prefix or pool
    return [job(f"{name}-{start + n:03}", wants, pool, key, start + n) for n in range(count)]


def grant(job_id, wants=None, key=TEAM_A, **fields) -> Grant:
    return Grant(job_id, key, wants or driver_only(), **fields)


def snapshot(of: ClusterView | None, queued, queues=None, **fields) -> Snapshot:
    fields["grants"] = tuple(fields.get("grants", ()))
    rules = fields.pop("rules", Rules())
    return Snapshot(
        () if of is None else (of,), tuple(queues or (queue(),)), tuple(queued), rules=rules, **fields
    )


def admitted(decisions) -> list[str]:
    return [admission.job_id for admission in decisions.admissions]
