# SPDX-License-Identifier: Apache-2.0
"""What is true now, as gauges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_priority_spark.metrics.bounds import Bounds
from airflow_priority_spark.metrics.samples import Samples
from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, JobState
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.store.capacity_reads import usage_of
from airflow_priority_spark.store.explanation import bare
from airflow_priority_spark.store.metric_reads import HeadFacts, JobCount, Site


def base_units(resource: str, amount: int) -> float:
    """Return an amount in Prometheus' base unit: cores, bytes, else a number."""
    return amount / 1000 if bare(resource) == "cpu" else float(amount)


def lines(samples: Samples, site: Site, bounds: Bounds) -> None:
    """Add how long every line is, and how old."""
    for count in site.counts:
        queue = site.queues[count.queue_id]
        line = (queue.cluster, queue.namespace, bounds.pool(count.pool))
        age = max(0.0, (site.now - count.oldest).total_seconds())
        if count.state in WAITING:
            labels = (*line, _status(count), count.blocking_resource or "")
            samples.add("pending_jobs", labels, count.count)
            samples.greatest("oldest_wait_seconds", line, age)
        if count.state in ACTIVE:
            samples.add("admitted_active_jobs", line, count.count)
            samples.add("running_jobs", line, count.count if count.state is JobState.RUNNING else 0)
        if count.state is JobState.ADMITTED:
            samples.greatest("oldest_unstarted_admission_seconds", line, age)
    for head in site.heads:
        _head(samples, site, head, bounds)
    for queue in site.queues.values():
        status = "paused" if queue.paused else "draining" if queue.draining else "active"
        for word in ("active", "paused", "draining"):
            samples.add("queue_status", (queue.cluster, queue.namespace, word), float(word == status))


def _status(count: JobCount) -> str:
    if count.ineligible:
        return count.ineligible
    if count.state is JobState.HELD:
        return "held"
    return "blocked" if count.blocking_resource else "active"


def _head(samples: Samples, site: Site, head: HeadFacts, bounds: Bounds) -> None:
    queue = site.queues[head.queue_id]
    line = (queue.cluster, queue.namespace, bounds.pool(head.pool))
    samples.greatest("head_age_seconds", line, (site.now - head.queued_at).total_seconds())
    blocked = (site.now - head.blocked_since).total_seconds() if head.blocked_since else 0.0
    samples.greatest("head_blocked_seconds", line, blocked)
    verdict = head.verdict
    if verdict and verdict.get("needed") is not None:
        missing = max(0, verdict["needed"] - (verdict.get("free") or 0))
        amount = base_units(verdict["resource"], missing)
        samples.greatest("head_missing", (*line, verdict["resource"]), amount)


def capacity(samples: Samples, site: Site) -> None:
    """Add quotas, nodes, and how old the pictures are that show them."""
    pictures = {picture.cluster_id: picture.data for picture in site.pictures}
    granted: dict[int, Resources] = {}
    for held in site.holdings:
        granted[held.queue_id] = granted.get(held.queue_id, Resources()) + held.resources
    for queue in site.queues.values():
        found = usage_of(
            queue.namespace,
            pictures.get(queue.cluster_id),
            queue.capacity,
            granted.get(queue.id, Resources()),
        )
        for item in found:
            labels = (queue.cluster, queue.namespace, item.resource)
            amounts = {"hard": item.hard, "used": item.used, "granted": item.granted, "free": item.free}
            for word, amount in amounts.items():
                if amount is not None:
                    samples.add(f"quota_{word}", labels, base_units(item.resource, amount))
    for picture in site.pictures:
        samples.add("snapshot_age_seconds", (picture.cluster,), picture.age_seconds)
        samples.add("snapshot_fresh", (picture.cluster,), float(picture.data["fresh"]))
        _nodes(samples, picture.cluster, picture.data["nodes"])


def _nodes(samples: Samples, cluster: str, nodes: Mapping[str, Any]) -> None:
    samples.add("nodes", (cluster, "ready"), nodes["ready"])
    samples.add("nodes", (cluster, "unready"), nodes["count"] - nodes["ready"])
    for key in ("allocatable", "requested"):
        for resource, amount in nodes.get(key, {}).items():
            samples.add(f"node_{key}", (cluster, resource), base_units(resource, amount))


def usage(samples: Samples, site: Site, bounds: Bounds) -> None:
    """Add what admitted jobs hold, by everything that they belong to."""
    teams = bounds.largest("team", site.holdings)
    dags = bounds.largest("dag_id", site.holdings)
    jobs = bounds.largest("job_id", site.holdings) if "job_id" in bounds.labels else {}
    for held in site.holdings:
        queue = site.queues[held.queue_id]
        place, dag_id = (queue.cluster, queue.namespace), dags[held.dag_id]
        shown = jobs.get(held.job_id)
        for resource, amount in held.resources.items():
            value = base_units(resource, amount)
            labels = (*place, bounds.pool(held.pool), teams[held.team], dag_id, resource)
            samples.add("usage", labels, value)
            if shown == held.job_id:
                samples.add("job_usage", (*place, dag_id, held.task_id, shown, resource), value)
        if held.ended_at is not None:
            samples.add("ended_grants", place, 1)
            age = (site.now - held.ended_at).total_seconds()
            samples.greatest("oldest_ended_grant_seconds", place, age)


def arbiter(samples: Samples, site: Site) -> None:
    """Add who leads, and whether it works."""
    status = site.arbiter
    samples.add("arbiter_leading", (), float(status.alive and bool(status.leader)))
    samples.add("leader_changes", (), status.epoch)
    samples.add("unresolved_connections", (), len(status.summary.get("unresolved", {})))
    if status.idle_seconds is not None:
        samples.add("arbiter_last_cycle_age_seconds", (), status.idle_seconds)
