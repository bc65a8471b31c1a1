# SPDX-License-Identifier: Apache-2.0
"""A run: instant after instant, what ends, what arrives, what ``decide`` says.

Nothing is rounded and nothing takes time: jobs end and arrive, the decision is made and applied in
the same instant, again and again while it admits full batches. So a run says what the rules do; what
a database and Kubernetes add is measured elsewhere (``benchmarks/``).

Where queues share nothing but the batch (no nodes, no limits of the whole site), a queue in which nothing
happened would be decided as before; it is left out of the snapshot. A property test compares this with
showing everything always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import chain

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Decisions,
    HeadTimeout,
    QueuedJob,
    QueueKey,
    Rules,
    Snapshot,
    describe_blocked,
    describe_timeout,
)
from airflow_priority_spark.simulator.machines import Machines
from airflow_priority_spark.simulator.outcome import Fate, JobRecord, Outcome
from airflow_priority_spark.simulator.queues import SimulatedPool, SimulatedQueue
from airflow_priority_spark.simulator.ticks import seconds
from airflow_priority_spark.simulator.workload import CLUSTER, Arrival, Site


def simulate(site: Site, arrivals: Iterable[Arrival]) -> Outcome:
    """Run jobs on a site until nothing happens any more.

    :param arrivals: in time order, each for a queue and pool of the site.
    """
    return Run(site, list(arrivals)).run()


class Run:
    """One run in progress."""

    def __init__(self, site: Site, arrivals: Sequence[Arrival]) -> None:
        self._rules = site.rules
        self._machines = Machines(site.nodes) if site.nodes else None
        self._isolated = self._machines is None and not _limited(site.rules)
        nodes = self._machines.total if self._machines else {}
        self._queues = {queue.key: queue for queue in (SimulatedQueue(plan, nodes) for plan in site.queues)}
        self._cluster = _cluster(site)
        self._records = {item.job_id: JobRecord(item) for item in arrivals}
        self._jobs: dict[str, QueuedJob] = {}
        self._arrivals, self._next = arrivals, 0
        #: (instant, order, job): admitted jobs that will end.
        self._ends: list[tuple[int, int, str]] = []
        #: (instant, queue, pool): when the time of a blocked head may be up.
        self._alarms: list[tuple[int, QueueKey, str]] = []
        self._order: list[JobRecord] = []
        self._changed: dict[QueueKey, None] = {}
        self._now = self._cycles = self._decisions = 0

    def run(self) -> Outcome:
        """Go from instant to instant until nothing is left to happen."""
        while (now := self._next_instant()) is not None:
            self._now = now
            self._end()
            self._arrive()
            self._ring()
            self._decide()
        self._explain_waiting()
        makespan = max((record.finished or 0 for record in self._records.values()), default=0)
        return Outcome(
            jobs=tuple(self._records.values()),
            order=tuple(self._order),
            makespan=makespan,
            usage_percent={
                queue.plan.namespace: queue.meter.percent(makespan) for queue in self._queues.values()
            },
            cycles=self._cycles,
            decisions=self._decisions,
        )

    def _next_instant(self) -> int | None:
        instants = [line[0][0] for line in (self._ends, self._alarms) if line]
        if self._next < len(self._arrivals):
            instants.append(self._arrivals[self._next].at)
        return min(instants, default=None)

    def _arrive(self) -> None:
        while self._next < len(self._arrivals) and self._arrivals[self._next].at == self._now:
            job = queued(self._arrivals[self._next], self._next)
            self._jobs[job.job_id] = job
            self._queues[job.queue].enqueue(job)
            self._changed[job.queue] = None
            self._next += 1

    def _end(self) -> None:
        while self._ends and self._ends[0][0] == self._now:
            record = self._records[heappop(self._ends)[2]]
            record.finished, record.fate = self._now, Fate.FINISHED
            job = self._jobs.pop(record.job_id)
            self._queues[job.queue].release(job.job_id, self._now)
            self._changed[job.queue] = None
            if self._machines is not None:
                self._machines.end(job.job_id)
        if self._machines is not None:
            for job in self._machines.bind_pending():
                self._runs(job)

    def _runs(self, job: QueuedJob) -> None:
        """Let a job whose pods have room end after its runtime."""
        ends = self._now + self._records[job.job_id].arrival.runtime
        heappush(self._ends, (ends, len(self._order), job.job_id))

    def _ring(self) -> None:
        """Look at the queues in which the time of a head may be up."""
        while self._alarms and self._alarms[0][0] == self._now:
            _, key, name = heappop(self._alarms)
            if self._queues[key].pools[name].view.head_timeout_since is not None:
                self._changed[key] = None

    def _decide(self) -> None:
        """Decide and apply until a decision leaves room in its batch."""
        while self._changed:
            decisions = decide(self._snapshot(self._shown()), self._now)
            self._cycles += 1
            self._apply(decisions)
            if len(decisions.admissions) < self._rules.batch_size:
                self._changed.clear()

    def _shown(self) -> list[SimulatedQueue]:
        """Return the queues that could be decided otherwise than before."""
        return [self._queues[key] for key in (self._changed if self._isolated else self._queues)]

    def _snapshot(self, queues: Sequence[SimulatedQueue]) -> Snapshot:
        cluster = self._cluster
        if self._machines is not None:
            cluster = replace(cluster, pods=self._machines.pods())
        return Snapshot(
            clusters=(cluster,),
            queues=tuple(queue.view() for queue in queues),
            jobs=tuple(chain.from_iterable(queue.new_jobs() for queue in queues)),
            grants=tuple(chain.from_iterable(queue.grants.values() for queue in queues)),
            rules=self._rules,
            lines=dict(chain.from_iterable(queue.lines() for queue in queues)),
        )

    def _apply(self, decisions: Decisions) -> None:
        for verdicts in (decisions.admissions, decisions.blocked, decisions.impossible, decisions.timed_out):
            self._decisions += len(verdicts)
        for job_id, impossible in decisions.impossible.items():
            self._drop(job_id, Fate.CANCELLED, f"could never start: {describe_blocked(impossible.why)}")
        for admission in decisions.admissions:
            self._admit(self._jobs[admission.job_id])
        for timeout in decisions.timed_out:
            self._time_out(timeout)
        for (key, name), state in decisions.pools.items():
            pool = self._queues[key].pools[name]
            pool.settle()
            pool.remember(state)
            self._set_alarm(key, pool)

    def _admit(self, job: QueuedJob) -> None:
        self._queues[job.queue].admit(job, self._now)
        record = self._records[job.job_id]
        record.admitted, record.fate = self._now, Fate.ADMITTED
        self._order.append(record)
        if self._machines is None or self._machines.start(job):
            self._runs(job)

    def _time_out(self, timeout: HeadTimeout) -> None:
        if timeout.action != "retry":
            fate = Fate.CANCELLED if timeout.action == "cancel" else Fate.HELD
            said = replace(timeout, reason_seconds=seconds(int(timeout.reason_seconds)))
            self._drop(timeout.job_id, fate, describe_timeout(said))
            return
        job = self._jobs[timeout.job_id]
        pool = self._queues[job.queue].pools[job.pool]
        again = replace(job, head_retries=job.head_retries + 1)
        pool.remove(job)
        if timeout.position == "tail":
            again = replace(again, position=(self._now, len(self._records) + self._cycles))
            pool.new.append(again)
        else:
            pool.settle()
            pool.waiting.appendleft(again)
        self._jobs[job.job_id] = again

    def _set_alarm(self, key: QueueKey, pool: SimulatedPool) -> None:
        rules = pool.view.head_rules or self._rules.head_rules
        since, timeout = pool.view.head_timeout_since, rules.timeout_seconds
        if since is not None and timeout > 0 and pool.view.head_clock_paused_at is None:
            at = int(since + timeout)
            if pool.alarm != at:
                pool.alarm = at
                heappush(self._alarms, (at, key, pool.view.name))

    def _drop(self, job_id: str, fate: Fate, reason: str) -> None:
        """Let a waiting job end without having run."""
        record, job = self._records[job_id], self._jobs.pop(job_id)
        self._queues[job.queue].remove(job)
        record.fate, record.reason = fate, reason
        if fate is Fate.CANCELLED:
            record.finished = self._now

    def _explain_waiting(self) -> None:
        """Say of jobs that nothing will let start any more what they wait for."""
        if not any(pool.waiting for pool in self._pools()):
            return
        blocked = decide(self._snapshot(list(self._queues.values())), self._now).blocked
        for pool in self._pools():
            for ahead, job in enumerate(pool.waiting):
                verdict = blocked.get(job.job_id)
                said = describe_blocked(verdict) if verdict else f"behind {ahead} of its priority pool"
                self._records[job.job_id].reason = f"still waits: {said}"

    def _pools(self) -> Iterator[SimulatedPool]:
        for queue in self._queues.values():
            yield from queue.pools.values()


def queued(item: Arrival, number: int) -> QueuedJob:
    """Return an arriving job as the decision sees it.

    :param number: of the arrival, for the order of what arrives at one instant.
    """
    key = QueueKey(CLUSTER, item.namespace)
    return QueuedJob(
        item.job_id, key, item.pool, (item.at, number), item.demand, user=item.user, service=item.service
    )


def _limited(rules: Rules) -> bool:
    limits = (rules.limit, rules.limit_per_user, rules.limit_per_service, rules.limit_per_user_service)
    return any(limit is not None for limit in limits)


def _cluster(site: Site) -> ClusterView:
    quotas = (plan.quota_view() for plan in site.queues)
    return ClusterView(
        CLUSTER,
        site.nodes,
        quotas=tuple(quota for quota in quotas if quota is not None),
        mode="quota+nodes" if site.nodes else "quota",
    )
