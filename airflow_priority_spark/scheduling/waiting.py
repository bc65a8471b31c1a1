# SPDX-License-Identifier: Apache-2.0
"""Who waits in which priority pool, in order.

Most waiting jobs are never looked at: a decision admits a batch and stops at each pool's blocked head.
So jobs that come in any order are touched a few times each and no more, and lines that the caller
keeps in order are read only as far as somebody gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge

from airflow_priority_spark.scheduling.model import QueuedJob, QueueKey, QueueView, Snapshot
from airflow_priority_spark.scheduling.order import fifo_key


class Waiting:
    """The waiting jobs of a snapshot that may be looked at."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._lines = snapshot.lines
        self._checked: dict[tuple[QueueKey, str], list[QueuedJob]] = {}
        self._unchecked: dict[QueueKey, list[QueuedJob]] = {}
        for job in snapshot.jobs:
            if job.ineligible is None:
                if job.unchecked:
                    self._unchecked.setdefault(job.queue, []).append(job)
                    continue
                place = (job.queue, job.pool)
                if place in self._checked:
                    self._checked[place].append(job)
                else:
                    self._checked[place] = [job]

    def line(self, queue: QueueKey, pool: str) -> Iterable[QueuedJob]:
        """Return a priority pool's jobs, first in line first; ineligible ones may be among them."""
        jobs = self._checked.get((queue, pool), [])
        if len(jobs) > 1:
            jobs.sort(key=fifo_key)
        line = self._lines.get((queue, pool), ())
        return merge(line, jobs, key=fifo_key) if line and jobs else line or jobs

    def unchecked(self, queue: QueueKey) -> list[QueuedJob]:
        """Return the jobs of a queue that are admitted whatever the room, first in line first."""
        return sorted(self._unchecked.get(queue, ()), key=fifo_key)

    def new(self, queue: QueueView) -> Iterator[QueuedJob]:
        """Return a queue's checked jobs that are not in a line, in no order."""
        for pool in queue.pools:
            yield from self._checked.get((queue.key, pool.name), ())

    def demands(self, queue: QueueView) -> list[QueuedJob]:
        """Return one job of each demand the decision may ask about."""
        found = {id(job.demand): job for job in self._unchecked.get(queue.key, ())}
        for pool in queue.pools:
            place = (queue.key, pool.name)
            for jobs in (self._checked.get(place, ()), self._lines.get(place, ())):
                found.update((id(job.demand), job) for job in jobs)
        return list(found.values())
