# SPDX-License-Identifier: Apache-2.0
"""Whose jobs are passed over because a limit on people is reached.

The arbiter does not read such jobs at all, so it cannot write down why they wait: fifty thousand rows would
change whenever one of their user's jobs begins or ends. Whoever explains one of them counts as a decision
does, with the same code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

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
from airflow_priority_spark.store.front import PassedOver
from airflow_priority_spark.store.models import Grant as GrantRow
from airflow_priority_spark.store.models import Job

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


def holders_of_limits(session: Session, rules: Rules) -> Sequence[Grant]:
    """Return who holds capacity, as far as limits on people count it (one statement, or none)."""
    if not _limit_people(rules):
        return ()
    rows = session.execute(
        select(GrantRow.job_id, Job.user, Job.service).join(Job, Job.id == GrantRow.job_id)
    )
    return tuple(_holder(*row) for row in rows)


def limit_reached(rules: Rules, holders: Sequence[Grant], job: Job) -> str:
    """Return a clause with the limit that a waiting job is over, or nothing."""
    if not holders or job.flow != "priority" or job.adopt:
        return ""
    limits = Limits(Snapshot(clusters=(), queues=(), jobs=(), grants=tuple(holders), rules=rules))
    return limits.pass_over(_holder(job.id, job.user, job.service))


def is_eligible(passed: PassedOver) -> list[ColumnElement[bool]]:
    """Return what rows of jobs fulfil that are not passed over, whatever was written at them long ago.

    :param passed: whose limits are reached.
    """
    people = or_(*(Job.ineligible_detail.startswith(word) for word in _PEOPLE))
    outlived = and_(Job.ineligible == Ineligible.LIMIT.value, people)
    return [or_(Job.ineligible.is_(None), outlived), *passed.conditions()]


def limit_outlived(job: Job, reached: str) -> bool:
    """Tell whether a job is still said to be over a limit on people that has room again.

    :param reached: what ``limit_reached`` says of it.
    """
    people = job.ineligible_detail.startswith(_PEOPLE)
    return job.ineligible == Ineligible.LIMIT.value and people and not reached


def _holder(job_id: str, user: str | None, service: str | None) -> Grant:
    return Grant(job_id, _NOWHERE, Demand(()), user=user or "", service=service or "")
