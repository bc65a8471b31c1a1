# SPDX-License-Identifier: Apache-2.0
"""The history of a real site as a workload: its jobs as arrivals, its queues where a file names no others.

What is replayed is when jobs were queued and for how long they then held their room. When they waited
and why follows from the rules once more, and from whatever the workload file says otherwise.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from airflow_priority_spark.cli.workload_file import WorkloadFile
from airflow_priority_spark.errors import InvalidInput, NotFound
from airflow_priority_spark.scheduling.model import PoolView, QueueView, Rules
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.simulator.ticks import in_ticks, ticks
from airflow_priority_spark.simulator.workload import Arrival, QueuePlan, Site
from airflow_priority_spark.store import reads
from airflow_priority_spark.store.history import RanJob, clusters_with_jobs, read_history
from airflow_priority_spark.store.queue_table import read_queues
from airflow_priority_spark.store.site import read_site
from airflow_priority_spark.store.site import rules as site_rules

#: Namespace → hard limits of each of its quotas.
_Quotas = Mapping[str, list[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a site really ran.

    :param left_out: jobs whose runtime is not known.
    """

    queues: Mapping[str, QueuePlan]
    rules: Rules
    arrivals: tuple[Arrival, ...]
    left_out: int

    def site(self, workload: WorkloadFile | None) -> Site:
        """Return the site as it is, with what the workload file says otherwise.

        :raises InvalidInput: when jobs ran in a pool that their queue does not have in the file.
        """
        if workload is None:
            return Site(tuple(self.queues.values()), (), self.rules)
        others = {plan.namespace: plan for plan in workload.site.queues}
        queues = {**self.queues, **others}
        for arrival in self.arrivals:
            pools = [pool.name for pool in queues[arrival.namespace].pools]
            if arrival.pool not in pools:
                raise InvalidInput(
                    f"pools of {arrival.namespace}",
                    ", ".join(pools),
                    f"pools with {arrival.pool}, in which jobs ran",
                )
        return Site(tuple(queues.values()), workload.site.nodes, workload.rules_over(self.rules))


def read_replay(
    session: Session,
    settings: Settings,
    cluster: str | None,
    since: datetime.datetime | None,
    now: datetime.datetime,
) -> Replay:
    """Read what a cluster ran, and its queues as they are.

    :param settings: the configuration; what was set while running is stronger.
    :param cluster: its name; may be left out where jobs of only one are known.
    :param since: only jobs that were queued then or later; ``None``: all that are still known.
    :raises InvalidInput: when the cluster is not named and there are several.
    :raises NotFound: when nothing ran.
    """
    cluster_id = _choose(clusters_with_jobs(session, since), cluster)
    history = read_history(session, cluster_id, since)
    if not history.ran:
        raise NotFound(f"no job has run and ended{_since(since)}; `job list --state all` shows what is known")
    site = read_site(session, settings)
    rules, quotas = site_rules(site), _quotas(session, cluster_id, now)
    plans = {
        view.key.namespace: _plan(view, quotas, rules)
        for view in read_queues(session, site).views
        if view.key.cluster_id == cluster_id
    }
    rules = replace(rules, head_rules=in_ticks(rules.head_rules))
    return Replay(plans, rules, tuple(_arrivals(history.ran)), history.left_out)


def _choose(clusters: Mapping[str, str], wanted: str | None) -> str:
    known = ", ".join(clusters)
    if wanted is None and len(clusters) > 1:
        raise InvalidInput("--cluster", wanted, f"one of {known}")
    if not clusters:
        raise NotFound("no job is known; `job list --state all` shows what is known")
    if wanted is not None and wanted not in clusters:
        raise InvalidInput("--cluster", wanted, known)
    return clusters[wanted if wanted is not None else next(iter(clusters))]


def _since(since: datetime.datetime | None) -> str:
    return "" if since is None else f" since {since.isoformat()}"


def _arrivals(ran: Iterable[RanJob]) -> Iterable[Arrival]:
    start: datetime.datetime | None = None
    for job in ran:
        start = start or job.queued_at
        yield Arrival(
            job.job_id,
            job.namespace,
            job.pool,
            ticks(job.queued_at - start),
            ticks(job.held),
            job.demand,
            job.user,
            job.service,
        )


def _quotas(
    session: Session, cluster_id: str, now: datetime.datetime
) -> Mapping[str, list[Mapping[str, Any]]]:
    """Return the hard limits of every namespace's quotas as the last picture shows them."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for picture in reads.latest_snapshots(session, now):
        if picture.cluster_id == cluster_id:
            for quota in picture.data["quotas"]:
                found.setdefault(quota["namespace"], []).append(quota["hard"])
    return found


def _plan(view: QueueView, quotas: _Quotas, rules: Rules) -> QueuePlan:
    """Return a queue as it is; of several limits on one key the tightest counts."""
    limits = [*quotas.get(view.key.namespace, ()), *([view.capacity] if view.capacity is not None else [])]
    tightest: dict[str, int] = {}
    for hard in limits:
        for key, amount in hard.items():
            tightest[key] = min(amount, tightest.get(key, amount))
    return QueuePlan(
        view.key.namespace,
        tuple(_pool(pool, rules) for pool in view.pools),
        Resources(tightest) if tightest else None,
        frozenset(tightest),
        view.weight,
        view.policy,
        view.limit,
    )


def _pool(pool: PoolView, rules: Rules) -> PoolView:
    """Return a pool that remembers nothing, and follows the site's rules where it does so now."""
    own = pool.head_rules if pool.head_rules != rules.head_rules else None
    return PoolView(
        pool.name, pool.weight, head_rules=in_ticks(own) if own is not None else None, limit=pool.limit
    )
