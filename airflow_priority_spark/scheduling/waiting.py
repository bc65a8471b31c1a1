# SPDX-License-Identifier: Apache-2.0
"""Who waits in which priority pool, in order.

Most waiting jobs are never looked at: a decision admits a batch and stops at each pool's blocked head.
So jobs that come in any order are touched a few times here, with nothing dear among it, and lines that
the caller keeps in order are read only as far as somebody gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain

from airflow_priority_spark.scheduling.model import QueuedJob, QueueKey, Snapshot
from airflow_priority_spark.scheduling.order import fifo_key


@dataclass(slots=True)
class QueueWaiting:
    """The waiting jobs of one queue; ineligible ones may be among those in ``lines``.

    :param pools: jobs that came in any order, by priority pool.
    :param lines: jobs that came in order, by priority pool.
    :param unchecked: those that are admitted whatever the room.
    :param demands: one job of each demand in ``pools``, by the demand's identity: jobs of one make often
        share theirs.
    """

    pools: dict[str, list[QueuedJob]] = field(default_factory=dict)
    lines: dict[str, Sequence[QueuedJob]] = field(default_factory=dict)
    unchecked: list[QueuedJob] = field(default_factory=list)
    demands: dict[int, QueuedJob] = field(default_factory=dict)

    def add(self, job: QueuedJob) -> None:
        """Take in a job that came in any order."""
        if job.unchecked:
            self.unchecked.append(job)
            return
        self.demands[id(job.demand)] = job
        line = self.pools.get(job.pool)
        if line is None:
            self.pools[job.pool] = [job]
        else:
            line.append(job)

    def line(self, pool: str) -> Iterable[QueuedJob]:
        """Return a priority pool's jobs, first in line first."""
        jobs, line = self.pools.get(pool, ()), self.lines.get(pool, ())
        if len(jobs) > 1:
            jobs = sorted(jobs, key=fifo_key)
        return merge(line, jobs, key=fifo_key) if line and jobs else line or jobs

    def asking(self, demands: Mapping[int, object]) -> Iterator[QueuedJob]:
        """Return the jobs in ``pools`` that ask for one of some demands."""
        return (job for job in chain.from_iterable(self.pools.values()) if id(job.demand) in demands)


def waiting_of(snapshot: Snapshot) -> dict[QueueKey, QueueWaiting]:
    """Return who waits where, without the jobs of ``snapshot.jobs`` that are not eligible."""
    queues: dict[QueueKey, QueueWaiting] = {}
    for job in snapshot.jobs:
        if job.ineligible is None:
            queue = queues.get(job.queue)
            if queue is None:
                queue = queues[job.queue] = QueueWaiting()
            queue.add(job)
    for (key, pool), line in snapshot.lines.items():
        if line:
            queues.setdefault(key, QueueWaiting()).lines[pool] = line
    return queues
