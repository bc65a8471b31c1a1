# SPDX-License-Identifier: Apache-2.0
"""One act of one user: rights first, then one transaction, then the record, whatever came of it.

The acts themselves are those of ``arbiter.actions``, which the command line calls, too; they write the
job's events and our audit. Here is what a request adds: whether this user may, and a row in Airflow's own
audit log, also for what was refused.
"""

from __future__ import annotations

import atexit
import datetime
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from airflow import settings as airflow_settings
from fastapi import Depends, HTTPException
from sqlalchemy.orm import Session

from airflow_priority_spark.api.access import Access
from airflow_priority_spark.api.datamodels.jobs import Job
from airflow_priority_spark.api.dependencies import AccessDep, NowDep, SessionDep, SettingsDep, utcnow
from airflow_priority_spark.api.presenting import job_answer
from airflow_priority_spark.api.routes.job import not_found
from airflow_priority_spark.api.telling import Teller
from airflow_priority_spark.arbiter.actions import By
from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.store.airflow_log import write_log
from airflow_priority_spark.store.bulk import tasks_of
from airflow_priority_spark.store.job_story import job_story
from airflow_priority_spark.store.over_limits import limits_now
from airflow_priority_spark.store.status_reads import arbiter_status

log = logging.getLogger(__name__)


def open_session() -> Session:
    """Open a session for an act; Airflow's factory is looked up each time, as it may be replaced."""
    return airflow_settings.NonScopedSession()


teller = Teller(open_session, utcnow)
atexit.register(teller.close)


@dataclass(frozen=True)
class Actor:
    """Who asks for an act, and on what; the session is for reading only."""

    access: Access
    session: Session
    now: datetime.datetime
    settings: Settings

    def by(self, reason: str) -> By:
        """Return who acts, when and why."""
        return By(self.access.name, self.now, reason, self.settings)

    @contextmanager
    def on_job(self, action: str, job_id: UUID, reason: str) -> Iterator[tuple[Session, By]]:
        """Act on a job in a transaction that commits at the end.

        :raises NotFound: no such job, or its DAG may not be read.
        :raises HTTPException: 403, the runs of its DAG may not be edited.
        """
        task = tasks_of(self.session, [str(job_id)]).get(str(job_id))
        details = {"job_id": str(job_id), "reason": reason}
        with self._recorded(action, details, task) as by:
            if task is None or not self.access.may_read(task.dag_id):
                raise not_found(job_id)
            if not self.access.may_act(task.dag_id):
                raise HTTPException(403, f"you need the right to edit runs of DAG {task.dag_id!r}")
            with self._writing(action, details, task) as session:
                yield session, by

    @contextmanager
    def on_site(self, action: str, target: dict[str, Any], reason: str) -> Iterator[tuple[Session, By]]:
        """Act on what belongs to everybody, in a transaction that commits at the end.

        :param target: what is acted on, for the audit log.
        :raises HTTPException: 403, the user is no administrator.
        """
        details = {**target, "reason": reason}
        with self._recorded(action, details) as by:
            self.require_administrator()
            with self._writing(action, details) as session:
                yield session, by

    @contextmanager
    def on_many(self, action: str, details: dict[str, Any], reason: str) -> Iterator[By]:
        """Act in transactions of the caller's; what is done to each job the caller writes down.

        :param details: what is acted on, for the audit log.
        """
        with self._recorded(action, {**details, "reason": reason}) as by:
            # No connection and no reading transaction is kept meanwhile.
            self.session.rollback()
            yield by

    def require_administrator(self) -> None:
        """Let pass who may edit queues.

        :raises HTTPException: 403.
        """
        if not self.access.may_edit_queues:
            raise HTTPException(403, "you need an administrator's right to edit queues, limits and flows")

    def log_job(self, session: Session, action: str, reason: str, job_id: str, task: TaskKey) -> None:
        """Write into Airflow's audit log what was done to one of many jobs."""
        write_log(session, action, self.access.name, {"job_id": job_id, "reason": reason}, task)

    def log_site(self, action: str, target: dict[str, Any], reason: str) -> None:
        """Write into Airflow's audit log what was done in transactions of its own."""
        with open_session() as session, session.begin():
            write_log(session, action, self.access.name, {**target, "reason": reason})

    def answer(self, job_id: UUID) -> Job:
        """Return a job as it is after the act."""
        self.session.rollback()
        story = job_story(self.session, job_id, self.now, limits_now(self.session, self.settings))
        if story is None:
            raise not_found(job_id)
        return job_answer(story.summary, self.access)

    def tell_later(self, job_ids: Collection[str], reason: str) -> None:
        """Where no arbiter would do it, have the tasks of these jobs told what became of them."""
        if job_ids and not arbiter_status(self.session, self.now).alive:
            teller.tell(job_ids, self.by(reason))

    @contextmanager
    def _writing(
        self, action: str, details: dict[str, Any], task: TaskKey | None = None
    ) -> Iterator[Session]:
        # SQLite waits for its write lock only in a transaction that has read nothing before.
        self.session.rollback()
        with open_session() as session, session.begin():
            yield session
            write_log(session, action, self.access.name, details, task)

    @contextmanager
    def _recorded(self, action: str, details: dict[str, Any], task: TaskKey | None = None) -> Iterator[By]:
        """Write down an act that is refused, then let the refusal go on its way."""
        try:
            yield self.by(details["reason"])
        except (PrioritySparkError, HTTPException) as error:
            sentence = error.detail if isinstance(error, HTTPException) else str(error)
            log.warning("refused %s by %r: %s", action, self.access.name, sentence)
            self.session.rollback()
            with open_session() as session, session.begin():
                write_log(session, action, self.access.name, {**details, "refused": sentence[:1000]}, task)
            raise


def _actor(access: AccessDep, session: SessionDep, now: NowDep, settings: SettingsDep) -> Actor:
    return Actor(access, session, now, settings)


ActorDep = Annotated[Actor, Depends(_actor, scope="function")]
