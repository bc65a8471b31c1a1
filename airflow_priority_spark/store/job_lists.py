# SPDX-License-Identifier: Apache-2.0
"""Pages of jobs for people: any order, mapped tasks folded into one row, places in line only where shown.

The number of statements is fixed, and what is read grows with the page, not with the queue. The database
does walk over those that wait, to put them in order and to number them: over as little of each as it can,
by indexes or by the few columns that an order compares, and joins other tables only to what is shown.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, JobState
from airflow_priority_spark.store.job_reads import JobSummary, summary_of
from airflow_priority_spark.store.models import Cluster, Job, Queue
from airflow_priority_spark.store.over_limits import AS_WRITTEN, PeopleLimits
from airflow_priority_spark.store.selection import JobFilter
from airflow_priority_spark.store.sorting import Order

#: Beyond so many jobs nobody counts them.
COUNTED: Final = 10_000

Task = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class MappedTask:
    """What the selected jobs of one mapped task add up to; ``states``: state → jobs."""

    count: int
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A row of a list; ``mapped``: it stands for all jobs of its mapped task, else ``None``."""

    summary: JobSummary
    mapped: MappedTask | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs a list is about.

    :param total: that are selected; ``None`` when they are more than ``COUNTED``.
    :param hidden: that wait or are active in the queues and may not be read.
    """

    total: int | None
    hidden: int


@dataclass(frozen=True, slots=True)
class JobList:
    """A page; ``next`` continues the list, ``None`` at its end."""

    jobs: tuple[ListedJob, ...]
    next: str | None


def page_of_jobs(
    session: Session,
    wanted: JobFilter,
    order: Order,
    now: datetime.datetime,
    *,
    limit: int,
    after: str | None = None,
    fold: bool = False,
    people: PeopleLimits = AS_WRITTEN,
) -> JobList:
    """Return some jobs in an order (at most three statements).

    :param after: the ``next`` of the page before.
    :param fold: the jobs of a mapped task are one row: that of the first of them in this order.
    :param people: how the limits on people stand.
    :raises InvalidInput: when ``after`` belongs to no such list.
    """
    conditions = wanted.conditions()
    place = order.place(after) if after is not None else None
    clauses = order.clauses(_dialect(session))
    chosen = _from_jobs(select(Job.id), wanted, order)
    if fold:
        chosen = chosen.where(Job.id.in_(_first_of_each_task(session, wanted, order)))
    else:
        chosen = chosen.where(*conditions)
    if place is not None:
        chosen = chosen.where(order.behind(place))
    page = chosen.order_by(*clauses).limit(limit + 1).subquery()
    statement = _joined(select(Job, Queue.namespace, Cluster.name)).join(page, page.c.id == Job.id)
    statement = statement.add_columns(*order.columns).order_by(*clauses)
    rows = session.execute(statement).all()
    shown = rows[:limit]
    following = order.cursor(shown[-1][3:]) if len(rows) > limit else None
    jobs = [row[0] for row in shown]
    places = positions(session, jobs)
    mapped = _mapped(session, wanted, jobs) if fold else {}
    return JobList(
        tuple(
            ListedJob(
                summary_of(job, namespace, cluster, places.get(job.id), now, people=people),
                mapped.get((job.dag_id, job.run_id, job.task_id)) if job.map_index >= 0 else None,
            )
            for job, namespace, cluster, *_ in shown
        ),
        following,
    )


def count_jobs(session: Session, wanted: JobFilter) -> Counts:
    """Return how many jobs are selected, and how many in the same queues may not be read.

    One statement, where nothing is asked for but what everybody sees on the cards of the queues; else two.

    :param wanted: ``dag_ids`` are the DAGs that may be read.
    """
    readable = wanted.dag_ids if wanted.dag_ids is not None else ()
    seen = JobFilter(
        _open(wanted.states), namespace=wanted.namespace, pool=wanted.pool, cluster=wanted.cluster
    )
    by_dag = _by_dag(session, seen)
    hidden = sum(count for dag_id, count in by_dag.items() if dag_id not in readable)
    if replace(wanted, dag_ids=None, states=frozenset(wanted.states or ())) == seen:
        total = sum(by_dag.values()) - hidden
    else:
        some = _from_jobs(select(literal(1)), wanted).where(*wanted.conditions()).limit(COUNTED + 1)
        total = session.scalar(select(func.count()).select_from(some.subquery())) or 0
    return Counts(total if total <= COUNTED else None, hidden)


def hidden_jobs(session: Session, readable: Collection[str]) -> int:
    """Return how many jobs wait or are active that somebody may not read (one statement).

    :param readable: the DAGs that may be read.
    """
    by_dag = _by_dag(session, JobFilter(_open(None)))
    return sum(count for dag_id, count in by_dag.items() if dag_id not in readable)


def _by_dag(session: Session, seen: JobFilter) -> Mapping[str, int]:
    """Return DAG → jobs, of all DAGs.

    Only by what everybody sees on the cards of the queues may hidden jobs be told apart: whoever could
    filter them by DAG, user or text would read them by asking often enough.
    """
    statement = _from_jobs(select(Job.dag_id, func.count()), seen).where(*seen.conditions())
    rows = session.execute(statement.group_by(Job.dag_id))
    return {dag_id: count for dag_id, count in rows}  # noqa: C416 - a row is no pair to the type checker


def _open(states: Collection[JobState] | None) -> frozenset[JobState]:
    every = WAITING | ACTIVE
    return every if states is None else every & frozenset(states)


def _from_jobs(statement: Any, wanted: JobFilter, order: Order | None = None) -> Any:
    """Let a statement choose among jobs; joined with their queues only where these are asked about."""
    if wanted.namespace is not None or wanted.cluster is not None or (order and order.of_queues):
        return _joined(statement)
    return statement.select_from(Job)


def _joined(statement: Any) -> Any:
    return (
        statement.select_from(Job)
        .join(Queue, Queue.id == Job.queue_id)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
    )


def _dialect(session: Session) -> str:
    return session.get_bind().dialect.name


def _first_of_each_task(session: Session, wanted: JobFilter, order: Order) -> Select[Any]:
    alone = case((Job.map_index < 0, Job.id), else_="")
    rank = func.row_number().over(
        partition_by=(Job.dag_id, Job.run_id, Job.task_id, alone), order_by=order.clauses(_dialect(session))
    )
    ranked = _from_jobs(select(Job.id.label("id"), rank.label("rank")), wanted, order)
    ranked = ranked.where(*wanted.conditions()).subquery()
    return select(ranked.c.id).where(ranked.c.rank == 1)


def _mapped(session: Session, wanted: JobFilter, jobs: Sequence[Job]) -> Mapping[Task, MappedTask]:
    tasks = {(job.dag_id, job.run_id, job.task_id) for job in jobs if job.map_index >= 0}
    if not tasks:
        return {}
    of_page = or_(
        *(and_(Job.dag_id == dag, Job.run_id == run, Job.task_id == task) for dag, run, task in sorted(tasks))
    )
    task = (Job.dag_id, Job.run_id, Job.task_id)
    statement = _from_jobs(select(*task, Job.state, func.count()), wanted)
    statement = statement.where(*wanted.conditions(), of_page, Job.map_index >= 0)
    states: dict[Task, dict[str, int]] = defaultdict(dict)
    for dag_id, run_id, task_id, state, count in session.execute(statement.group_by(*task, Job.state)):
        states[dag_id, run_id, task_id][state] = count
    return {key: MappedTask(sum(counts.values()), counts) for key, counts in states.items()}


def positions(session: Session, jobs: Sequence[Job]) -> Mapping[str, int]:
    """Return job id → place in the line of its priority pool, from 1, of those that are queued.

    One statement, or none; it numbers only the lines that these jobs stand in, down to the last of them.
    """
    queued = [job for job in jobs if job.state == JobState.QUEUED.value]
    if not queued:
        return {}
    last: dict[tuple[int, str], tuple[datetime.datetime, int]] = {}
    for job in queued:
        place, line = (job.position_at, job.position_id), (job.queue_id, job.pool)
        last[line] = max(place, last.get(line, place))
    in_lines = or_(*(_down_to(*line, *place) for line, place in sorted(last.items())))
    number = func.row_number().over(
        partition_by=(Job.queue_id, Job.pool), order_by=(Job.position_at, Job.position_id, Job.id)
    )
    numbered = (
        select(Job.id.label("id"), number.label("number"))
        .where(Job.state == JobState.QUEUED.value, in_lines)
        .subquery()
    )
    rows = session.execute(
        select(numbered.c.id, numbered.c.number).where(numbered.c.id.in_([job.id for job in queued]))
    )
    return {job_id: found for job_id, found in rows}  # noqa: C416 - a row is no pair to the type checker


def _down_to(queue_id: int, pool: str, at: datetime.datetime, number: int) -> ColumnElement[bool]:
    """Return the condition for jobs of a line that do not stand behind a place."""
    # As one comparison of rows, databases find its end in the index of those that wait.
    place = tuple_(literal(at, Job.position_at.type), literal(number, Job.position_id.type))
    before = tuple_(Job.position_at, Job.position_id) <= place
    return and_(Job.queue_id == queue_id, Job.pool == pool, before)
