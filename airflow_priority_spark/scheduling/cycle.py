# SPDX-License-Identifier: Apache-2.0
"""``decide``: the picture in, the admissions out.

A pure function, so that a decision can be replayed, simulated and tested: no clock, no randomness,
no I/O, and never an exception for a snapshot, however odd. Per cluster::

    usage of pods and grants → room
    jobs no state could satisfy → impossible
    unchecked jobs → admitted

and then, over all clusters, so that limits of the whole site are shared fairly::

    queue with the smallest share → its protector or next pool → head
        over somebody's limit → passed over; a limit of the pool → pool set aside
        fits    → admitted, room taken, credit charged, next queue
        blocked → pool parked (its clocks run), next pool; for too long → retried, cancelled or held

until ``batch_size`` admissions per cluster are made or every pool is set aside or empty.
"""

from __future__ import annotations

from collections import defaultdict
from heapq import heapify, heappop, heapreplace

from airflow_priority_spark.scheduling.cluster_cycle import ClusterCycle, Common
from airflow_priority_spark.scheduling.heads import QueueLine
from airflow_priority_spark.scheduling.limits import Limits
from airflow_priority_spark.scheduling.model import Decisions, Grant, QueueView, Snapshot
from airflow_priority_spark.scheduling.order import queue_key
from airflow_priority_spark.scheduling.outcome import Outcome
from airflow_priority_spark.scheduling.waiting import waiting_of


def decide(snapshot: Snapshot, now: float) -> Decisions:
    """Return who starts now, who cannot and why, and what the pools must remember.

    :param snapshot: the picture; it is not changed.
    :param now: POSIX seconds, for the clocks of blocked heads.
    """
    common = Common(snapshot.rules, now, Limits(snapshot), waiting_of(snapshot), Outcome())
    cycles = _cycles(snapshot, common)
    for cycle in cycles:
        cycle.prepare()
    _take_turns([(cycle, line) for cycle in cycles for line in cycle.lines()])
    return common.outcome.decisions()


def _cycles(snapshot: Snapshot, common: Common) -> list[ClusterCycle]:
    """Return the clusters in which something may be admitted; the other queues are left as they are."""
    clusters = {cluster.cluster_id: cluster for cluster in snapshot.clusters}
    grants: dict[str, list[Grant]] = defaultdict(list)
    for grant in snapshot.grants:
        grants[grant.queue.cluster_id].append(grant)
    members: dict[str, list[QueueView]] = defaultdict(list)
    for queue in snapshot.queues:
        members[queue.key.cluster_id].append(queue)
    cycles = []
    for cluster_id, queues in sorted(members.items()):
        cluster = clusters.get(cluster_id)
        seen = cluster is not None and cluster.fresh
        looked_at = sorted((queue for queue in queues if queue.key not in snapshot.resting), key=queue_key)
        open_queues = [queue for queue in looked_at if seen and not queue.paused]
        for queue in looked_at:
            if not seen or queue.paused:
                common.keep(queue)
        if cluster is not None and open_queues:
            resting = [queue.key for queue in queues if queue.key in snapshot.resting]
            cycles.append(ClusterCycle(cluster, queues, open_queues, resting, grants[cluster_id], common))
    return cycles


def _take_turns(lines: list[tuple[ClusterCycle, QueueLine]]) -> None:
    """Let the queue that holds the smallest share admit one job, again and again."""
    turns = [
        (cycle.room.share(line.view.key), index)
        for index, (cycle, line) in enumerate(lines)
        if any(pool.head is not None for pool in line.pools)
    ]
    heapify(turns)
    while turns:
        index = turns[0][1]
        cycle, line = lines[index]
        if cycle.admit_next(line):
            heapreplace(turns, (cycle.room.share(line.view.key), index))
        else:
            heappop(turns)
    for cycle, line in lines:
        cycle.save(line)
