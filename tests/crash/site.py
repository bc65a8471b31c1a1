# SPDX-License-Identifier: Apache-2.0
"""A whole site in one process: a real database, the real loop, and an arbiter that may die anywhere."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import select

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.arbiter.acting import By
from airflow_priority_spark.arbiter.loop import ArbiterLoop
from airflow_priority_spark.errors import LeadershipLost
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.models import Job
from tests import builders
from tests.crash.airflow import DONE, Airflow
from tests.crash.invariants import Broken, Picture
from tests.crash.kubernetes import Kubernetes
from tests.crash.points import Killed, Points
from tests.unit.arbiter.world import CLUSTER, Clusters

LEASE = 4.0
#: When a story has been told, time passes in steps of so many seconds: less than the lease.
IDLE = 2.0
#: Everything must have come to its end within so many of them.
PATIENCE = 150


class Site:
    """The site.

    :param database: migrated, and empty but for that.
    :param points: where its arbiter dies, or stops for a while.
    :ivar marked: tasks that a person has given an end.
    :ivar seen_events: the last event that was checked.
    :ivar ends: job → how often it has ended by then.
    """

    def __init__(self, database, points: Points | None = None, **settings) -> None:
        self.database, self.points = database, points or Points()
        self.now = builders.NOW
        self.settings = replace(
            Settings(),
            **{
                "reconcile_interval_seconds": 0.0,
                "settle_seconds": 1.0,
                "lease_seconds": LEASE,
                "head_protection_seconds": 5.0,
                "admission_valid_seconds": 30.0,
                **settings,
            },
        )
        self.cluster = Kubernetes(self.points)
        self.airflow = Airflow(database, self.cluster, lambda: self.now)
        self.marked: set[str] = set()
        self.seen_events = 0
        self.ends: Counter = Counter()
        self.arbiters = 0
        self.loop = self.arbiter()
        self.points.sleep = self.sleep

    def arbiter(self) -> ArbiterLoop:
        """Return a new arbiter, which knows nothing."""
        self.arbiters += 1
        loop = ArbiterLoop(
            self.settings, self.database.session, holder=f"arbiter-{self.arbiters}", clock=lambda: self.now
        )
        clusters = Clusters(self.cluster)
        clusters.connections[CLUSTER] = self.cluster.connection
        loop.clusters = clusters
        loop.work_with(replace(loop.context, clusters=clusters))
        return loop

    def replace_arbiter(self) -> None:
        """Let another arbiter take over when the lease of the last has run out."""
        self.now += datetime.timedelta(seconds=LEASE + 1)
        self.loop = self.arbiter()

    def sleep(self) -> None:
        """Stop the arbiter where it is, for so long that another takes over; then let it wake."""
        self.replace_arbiter()
        self.step(2)

    def step(self, times: int = 1, *, seconds: float = 1.0) -> None:
        """Let time pass in steps, each with a cycle, and check what must always hold."""
        for _ in range(times):
            self.now += datetime.timedelta(seconds=seconds)
            if self.cluster.lag:
                self.cluster.publish()
            self.cluster.tick()
            self.airflow.tick()
            if not self.cluster.lag:
                self.cluster.publish()
            self.cycle()

    def cycle(self) -> None:
        """Run a cycle of the arbiter, or of the one that comes after it."""
        try:
            with self.points.watching():
                run_cycle(self.loop)
        except Killed:
            self.check()
            self.replace_arbiter()
            run_cycle(self.loop)
        self.check()

    def check(self) -> None:
        picture = Picture(self)
        picture.check()
        self.seen_events = max((event.id for event in picture.events), default=self.seen_events)

    def finish(self) -> dict[str, str]:
        """Let everything come to its end; return the tasks' states.

        :raises Broken: when it does not, or not as it should.
        """
        for _ in range(PATIENCE):
            if self._at_rest():
                break
            self.step(seconds=IDLE)
        Picture(self).check_end()
        return self.airflow.states()

    def _at_rest(self) -> bool:
        if any(state not in DONE for state in self.airflow.states().values()) or self.cluster.apps:
            return False
        try:
            Picture(self).check_end()
        except Broken:
            return False
        return True

    # --- what people do

    def person(self, act: Callable, task_id: str, *arguments, **options) -> None:
        """Let a person act upon the newest job of a task."""
        by = By("alice", self.now, "because", self.settings)
        with self.database.session() as session, session.begin():
            act(session, self.job(task_id).id, *arguments, by=by, **options)

    def queue(self, act: Callable, *arguments) -> None:
        """Let a person act upon the one queue."""
        by = By("alice", self.now, "because", self.settings)
        with self.database.session() as session, session.begin():
            act(session, actions.find_queue(session, "team-a"), *arguments, by=by)

    def mark(self, task_id: str, state) -> None:
        self.marked.add(task_id)
        self.airflow.mark(task_id, state)

    def jobs(self, task_id: str = "") -> list[Job]:
        with self.database.session() as session:
            rows = session.scalars(select(Job).order_by(Job.queued_at, Job.id))
            return [job for job in rows if task_id in ("", job.task_id)]

    def job(self, task_id: str) -> Job:
        return self.jobs(task_id)[-1]


def run_cycle(loop: ArbiterLoop) -> None:
    """Run a cycle, as ``ArbiterLoop.run`` does.

    :raises Broken: when it fails for another reason than that another arbiter leads.
    """
    try:
        if loop.leadership.leads or loop._lead():
            loop.cycle()
    except LeadershipLost:
        """Another one leads; this one tries again, as ``ArbiterLoop.run`` does."""
    except Broken:
        raise
    except Exception as error:
        raise Broken(f"a cycle failed: {error!r}") from error
