# SPDX-License-Identifier: Apache-2.0
"""Limits on how many jobs are admitted at a time.

Capacity says what fits; a limit says how much of it somebody may have, however empty the cluster is.
There are two kinds, and they differ in who waits. A limit of a *place* (pool, queue, cluster, site)
stops everybody there. A limit on *people* (user, service, user in a service) concerns single jobs:
these are passed over, or one eager user would stop everybody who shares a pool with them.

Counted are the grants of the picture and the admissions of this decision, each job once. Counts only
grow inside a decision, so what has been stopped stays stopped.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from airflow_priority_spark.scheduling.model import Grant, QueuedJob, QueueKey, Rules, Snapshot

_SITE = "site"


@dataclass(slots=True)
class _Count:
    """How many jobs are admitted somewhere, and how many may be."""

    who: str
    most: int
    jobs: int = 0
    of_service: str = ""

    def reached(self) -> str:
        """Return a clause with both numbers once no further job may be admitted, else nothing."""
        if self.jobs < self.most:
            return ""
        return f"{self.who} has {self.jobs} of {self.most} jobs{self.of_service} admitted"


class Limits:
    """The limits of one decision; ``count`` what is admitted, ask before the next admission."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._rules = snapshot.rules
        self._places = dict(_places(snapshot))
        self._people: dict[Hashable, _Count] = {}
        self.on_people = _limits_people(snapshot.rules)
        #: There is any limit at all.
        self.exist = self.on_people or bool(self._places)
        self._counted: set[str] = set()
        if self.exist:
            for grant in snapshot.grants:
                self.count(grant)

    def count(self, job: Grant | QueuedJob) -> None:
        """Count a job that holds capacity, or will."""
        if not self.exist or job.job_id in self._counted:
            return
        self._counted.add(job.job_id)
        for place in (_SITE, job.queue.cluster_id, job.queue, (job.queue, job.pool)):
            if place in self._places:
                self._places[place].jobs += 1
        for found in self._counts_of(job):
            found.jobs += 1

    def stop_queue(self, queue: QueueKey) -> str:
        """Return what stops all of a queue (its own limit, its cluster's, the site's), or nothing."""
        for place in (_SITE, queue.cluster_id, queue):
            if place in self._places and (clause := self._places[place].reached()):
                return clause
        return ""

    def stop_pool(self, queue: QueueKey, pool: str) -> str:
        """Return what stops a priority pool, or nothing."""
        found = self._places.get((queue, pool))
        return found.reached() if found else ""

    def pass_over(self, job: Grant | QueuedJob) -> str:
        """Return whose limit makes a job not eligible, or nothing."""
        for found in self._counts_of(job):
            if clause := found.reached():
                return clause
        return ""

    def _counts_of(self, job: Grant | QueuedJob) -> Iterator[_Count]:
        """Return the counts of a job's user and service that are limited."""
        rules, user, service = self._rules, job.user, job.service
        if user and rules.limit_per_user is not None:
            yield self._person(("user", user), f"user {user}", rules.limit_per_user)
        if service and rules.limit_per_service is not None:
            yield self._person(("service", service), f"service {service}", rules.limit_per_service)
        if user and service and rules.limit_per_user_service is not None:
            both = (user, service, "both")
            most = rules.limit_per_user_service
            yield self._person(both, f"user {user}", most, f" of service {service}")

    def _person(self, key: Hashable, who: str, most: int, of_service: str = "") -> _Count:
        if key not in self._people:
            self._people[key] = _Count(who, most, of_service=of_service)
        return self._people[key]


def _limits_people(rules: Rules) -> bool:
    return not (rules.limit_per_user is rules.limit_per_service is rules.limit_per_user_service is None)


def _places(snapshot: Snapshot) -> Iterator[tuple[Hashable, _Count]]:
    if snapshot.rules.limit is not None:
        yield _SITE, _Count("the site", snapshot.rules.limit)
    for cluster in snapshot.clusters:
        if cluster.limit is not None:
            yield cluster.cluster_id, _Count("the cluster", cluster.limit)
    for queue in snapshot.queues:
        if queue.limit is not None:
            yield queue.key, _Count(f"queue {queue.key.namespace}", queue.limit)
        for pool in queue.pools:
            if pool.limit is not None:
                who = f"pool {queue.key.namespace}/{pool.name}"
                yield (queue.key, pool.name), _Count(who, pool.limit)
