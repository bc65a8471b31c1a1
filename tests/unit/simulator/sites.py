# SPDX-License-Identifier: Apache-2.0
"""Small sites and jobs: CPU is what counts, one CPU is 1000 millicores, one second a million ticks."""

from __future__ import annotations

from airflow_priority_spark.scheduling.model import HeadRules, NodeView, PoolView, Rules
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.simulator.ticks import parse_duration
from airflow_priority_spark.simulator.workload import Arrival, QueuePlan, Site, demand_of, node_size

GIB = 2**30
HIGH_NORMAL = {"high": 90, "normal": 10}


def ticks(text) -> int:
    return parse_duration(text)


def rules(*, timeout="1h", protection="5m", batch_size=100, **heads) -> Rules:
    head_rules = HeadRules(ticks(timeout), protection_seconds=ticks(protection), **heads)
    return Rules(batch_size=batch_size, head_rules=head_rules)


def queue(cpu=4, namespace="team-a", pools=None, **fields) -> QueuePlan:
    """Return a queue whose quota is so many CPUs; ``None``: no quota."""
    views = tuple(PoolView(name, weight) for name, weight in (pools or HIGH_NORMAL).items())
    if cpu is None:
        return QueuePlan(namespace, views, **fields)
    quota = Resources({"requests.cpu": cpu * 1000})
    return QueuePlan(namespace, views, quota, frozenset({"requests.cpu"}), **fields)


def nodes(*cpus, **fields) -> tuple[NodeView, ...]:
    return tuple(
        NodeView(f"node-{number}", node_size(cpu * 1000, 64 * GIB), **fields)
        for number, cpu in enumerate(cpus, 1)
    )


def site(*queues, on=(), **settings) -> Site:
    return Site(queues or (queue(),), tuple(on), rules(**settings))


def job(
    name, at=0, *, cpu=1, runtime=10, pool="normal", namespace="team-a", executors=0, **places
) -> Arrival:
    demand = demand_of(cpu * 1000, GIB, executors, **places)
    return Arrival(name, namespace, pool, ticks(at), ticks(runtime), demand)


def schedule(outcome) -> dict[str, tuple[float | None, float | None]]:
    """Return job → (admitted, finished) in seconds."""
    return {record.job_id: (_seconds(record.admitted), _seconds(record.finished)) for record in outcome.jobs}


def _seconds(instant):
    return None if instant is None else instant / 1_000_000
