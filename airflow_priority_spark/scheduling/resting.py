# SPDX-License-Identifier: Apache-2.0
"""Queues that another decision would leave as they are, whatever happens elsewhere.

A queue whose heads all wait for room that its own namespace lacks (a quota, a declared capacity) does not
depend on its neighbours: others can neither give it such room nor take it away. Until something happens in
its namespace, among its own jobs, or to the clock of one of its heads, a decision would find the same heads
blocked by the same resource and change nothing. So it may rest, and a cycle that looks at the others need
neither read nor decide upon it. A site with a thousand queues in a full cluster is made of such queues.

Everything else keeps a queue from resting: a head that waits for nodes, which all queues share; a head that
has reserved nodes, which concerns the others; limits, which count jobs of other queues; jobs that are passed
over, admitted unchecked or known to Kubernetes already. Nor does a queue rest that something was decided
for: the verdicts of its other heads may have numbers from before that.
"""

from __future__ import annotations

from airflow_priority_spark.scheduling.clock import next_instant
from airflow_priority_spark.scheduling.limits import Limits
from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Decisions,
    HeadRules,
    PoolState,
    QueueKey,
    QueueView,
    Snapshot,
)


def resting(snapshot: Snapshot, decisions: Decisions, now: float) -> dict[QueueKey, float]:
    """Return queues that may rest after a decision, and until when (POSIX seconds) at most.

    A queue may rest as long as these stay as they are: its jobs, grants, pools and rules; quotas, limit
    ranges and pods of its namespace; of its cluster everything but what is in other namespaces.

    :param snapshot: what was decided upon; queues that rested then are not told of.
    :param now: of the decision.
    """
    if Limits(snapshot).exist:
        return {}
    clusters = {view.cluster_id: view for view in snapshot.clusters}
    moved = {*decisions.impossible, *(timeout.job_id for timeout in decisions.timed_out)}
    moved |= {admission.job_id for admission in decisions.admissions}
    restless = {
        job.queue
        for job in snapshot.jobs
        if job.ineligible is not None or job.unchecked or job.readmission or job.job_id in moved
    }
    found: dict[QueueKey, float] = {}
    for queue in snapshot.queues:
        view = clusters.get(queue.key.cluster_id)
        if queue.key in snapshot.resting or queue.key in restless or view is None:
            continue
        until = _until(queue, view, decisions, snapshot.rules.head_rules, now)
        if until is not None:
            found[queue.key] = until
    return found


def _until(
    queue: QueueView, view: ClusterView, decisions: Decisions, rules: HeadRules, now: float
) -> float | None:
    """Return until when a queue may rest; ``None``: it may not."""
    if queue.paused or not view.fresh or view.dry_run or view.placeholders:
        return None
    instants = []
    for pool in queue.pools:
        state = decisions.pools.get((queue.key, pool.name))
        if state is None:
            return None
        if state.head_id is not None:
            until = _of_head(state, view, decisions, pool.head_rules or rules, now)
            if until is None:
                return None
            instants.append(until)
    # Nobody waits: there is nothing to spare, and whoever counts waiting queues must not count it.
    return min(instants) if instants else None


def _of_head(
    state: PoolState, view: ClusterView, decisions: Decisions, rules: HeadRules, now: float
) -> float | None:
    verdict = decisions.blocked.get(state.head_id or "")
    since = state.head_blocked_since
    if verdict is None or verdict.by_nodes or since is None:
        return None
    if view.fixed_nodes and view.mode == "quota+nodes" and now >= since + rules.protection_seconds:
        return None
    return next_instant(state, rules, now)
