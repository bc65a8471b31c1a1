# SPDX-License-Identifier: Apache-2.0
"""Whose jobs are passed over because a limit on people is reached.

The arbiter does not read such jobs at all, so it cannot write down why they wait: fifty thousand rows would
change whenever one of their user's jobs begins or ends. Whoever shows or explains one of them counts as a
decision does, with the same code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.limits import Limits
from airflow_priority_spark.scheduling.model import (
    Demand,
    Grant,
    Ineligible,
    QueuedJob,
    QueueKey,
    Rules,
    Snapshot,
)
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.front import NOBODY, PassedOver
from airflow_priority_spark.store.models import Grant as GrantRow
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.site import read_site
from airflow_priority_spark.store.site import rules as rules_of

_NOWHERE: Final = QueueKey("", "")
#: How clauses about limits on people begin (``scheduling.limits``); those of places begin otherwise.
_PEOPLE: Final = ("user ", "service ")

#: A user, a service, or both.
Holder = TypeVar("Holder", bound=Hashable)


def passed_over(
    rules: Rules, holders: Iterable[Grant | QueuedJob], dag_ids: Collection[str] = ()
) -> PassedOver:
    """Tell whose jobs are over a limit, as ``scheduling.limits`` counts them.

    :param holders: jobs that hold capacity, or will.
    :param dag_ids: whose jobs are passed over besides.
    """
    paused = frozenset(dag_ids)
    if not _limit_people(rules):
        return PassedOver(dag_ids=paused)
    jobs = {holder.job_id: holder for holder in holders}.values()
    return PassedOver(
        users=_full((job.user for job in jobs if job.user), rules.limit_per_user),
        services=_full((job.service for job in jobs if job.service), rules.limit_per_service),
        user_services=_full(
            ((job.user, job.service) for job in jobs if job.user and job.service),
            rules.limit_per_user_service,
        ),
        dag_ids=paused,
    )


def _limit_people(rules: Rules) -> bool:
    return bool(rules.limit_per_user or rules.limit_per_service or rules.limit_per_user_service)


def _full(holders: Iterable[Holder], limit: int | None) -> frozenset[Holder]:
    if limit is None:
        return frozenset()
    return frozenset(holder for holder, count in Counter(holders).items() if count >= limit)


class PeopleLimits:
    """Which limits on people are reached, and whose jobs that keeps from being looked at.

    :param rules: of the site; ``None``: what was written at a job when it was last looked at will do.
    :param holders: jobs that hold capacity.
    """

    def __init__(self, rules: Rules | None, holders: Sequence[Grant]) -> None:
        self._known = rules is not None
        self._passed = passed_over(rules, holders) if rules is not None else NOBODY
        self._limits: Limits | None = None
        if holders and rules is not None and _limit_people(rules):
            snapshot = Snapshot(clusters=(), queues=(), jobs=(), grants=tuple(holders), rules=rules)
            self._limits = Limits(snapshot)

    def reached(self, job: Job) -> str:
        """Return a clause with the limit that a job in line is over, or nothing."""
        in_line = job.state == JobState.QUEUED.value and job.flow == "priority" and not job.adopt
        if self._limits is None or not in_line:
            return ""
        return self._limits.pass_over(_holder(job.id, job.user, job.service))

    def ineligible(self, job: Job) -> tuple[str | None, str]:
        """Return why a job is not looked at, a word and a clause; ``(None, "")`` when it is.

        What is written at the row holds, but for limits on people: those are as they are now.
        """
        if clause := self.reached(job):
            return Ineligible.LIMIT.value, clause
        people = job.ineligible == Ineligible.LIMIT.value and job.ineligible_detail.startswith(_PEOPLE)
        if people and self._known:
            return None, ""
        return job.ineligible, job.ineligible_detail

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what rows of jobs fulfil that ``ineligible`` says nothing of."""
        if not self._known:
            return [Job.ineligible.is_(None)]
        people = or_(*(Job.ineligible_detail.startswith(word) for word in _PEOPLE))
        outlived = and_(Job.ineligible == Ineligible.LIMIT.value, people)
        return [or_(Job.ineligible.is_(None), outlived), *self._passed.conditions()]


AS_WRITTEN: Final = PeopleLimits(None, ())


def people_limits(session: Session, rules: Rules) -> PeopleLimits:
    """Return how the limits on people stand (one statement, or none where there are no such limits)."""
    if not _limit_people(rules):
        return PeopleLimits(rules, ())
    rows = session.execute(
        select(GrantRow.job_id, Job.user, Job.service).join(Job, Job.id == GrantRow.job_id)
    )
    return PeopleLimits(rules, tuple(_holder(*row) for row in rows))


def limits_now(session: Session, settings: Settings) -> PeopleLimits:
    """Return how the limits on people stand that the site has set (one statement more).

    :param settings: the configuration; what the tables say instead is read here.
    """
    return people_limits(session, rules_of(read_site(session, settings)))


def _holder(job_id: str, user: str | None, service: str | None) -> Grant:
    return Grant(job_id, _NOWHERE, Demand(()), user=user or "", service=service or "")
