# SPDX-License-Identifier: Apache-2.0
"""Airflow as it moves our tasks: its scheduler, its workers and its triggerer, one step a second.

The tables are Airflow's own, and what is written to them is what Airflow writes; the processes are stood in
for by a few lines each. A worker does what the operator does: it reads the event it was resumed with,
creates the application once, and defers until that has ended.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.sdk.serde import deserialize
from airflow.utils.state import TaskInstanceState as State
from sqlalchemy import Row, select, update
from uuid6 import uuid7

from airflow_priority_spark.scheduling.model import Demand, PodSet
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.identity import TaskKey, application_name, job_labels
from airflow_priority_spark.store.deferrals import RESUME_METHOD
from tests import builders
from tests.crash.kubernetes import CPU, STARVED, App, Kubernetes

FINISHED = "resume_finished"
FOLLOWING = "airflow_priority_spark.triggers.spark_application.SparkApplicationTrigger"
DONE = (State.SUCCESS, State.FAILED, State.SKIPPED)


@dataclass
class Work:
    """What an author wrote, and how it goes.

    :param executors: one CPU each, besides the driver's.
    :param runtime: seconds.
    :param failures: so many applications fail before one succeeds.
    :param retries: Airflow's.
    :param slow: seconds until a worker takes the task up.
    :param dies: so many workers die between the creation of the application and its report.
    """

    executors: int = 2
    runtime: int = 1
    priority: str = "normal"
    namespace: str = "team-a"
    flow: str = "priority"
    failures: int = 0
    retries: int = 0
    slow: int = 0
    dies: int = 0
    queue_timeout: int = 0
    dag_id: str = "etl"

    def request(self, **fields):
        sets = (PodSet("driver", 1, CPU), PodSet("executor", self.executors, CPU))
        return builders.make_request(
            namespace=self.namespace,
            priority=self.priority,
            demand=Demand(sets),
            flow=self.flow,
            queue_timeout_seconds=self.queue_timeout,
            **fields,
        )


class Airflow:
    """The tasks of a site, each in a run of its own.

    :ivar woken: (task instance, job, admission) → how often it was resumed as admitted.
    """

    def __init__(self, database, cluster: Kubernetes, clock: Callable[[], datetime.datetime]) -> None:
        self.database, self.cluster, self._clock = database, cluster, clock
        self.work: dict[str, Work] = {}
        self.woken: Counter = Counter()
        self.told: dict[str, list[str]] = {}
        self._following: dict[UUID, App] = {}
        self._ended: dict[UUID, tuple[str, str]] = {}
        self._picked: Counter = Counter()

    # --- what people do

    def add(self, task_id: str, **work) -> None:
        """Let a task start on a worker, which defers to the queue."""
        self.work[task_id] = Work(**work)
        with self.database.session() as session, session.begin():
            builders.make_deferred_task(
                session,
                dag_id=self.work[task_id].dag_id,
                task_id=task_id,
                run_id=f"run-{task_id}",
                request=self.work[task_id].request(),
                enqueued_at=self._clock(),
                max_tries=self.work[task_id].retries,
            )

    def clear(self, task_id: str) -> None:
        """Clear a task: a fresh attempt, and the run counts it."""
        row = self.task(task_id)
        self._write(row, id=uuid7(), state=None, **_FRESH)
        with self.database.session() as session, session.begin():
            run = DagRun.run_id == row.run_id
            session.execute(update(DagRun).where(run).values(clear_number=DagRun.clear_number + 1))

    def mark(self, task_id: str, state: State) -> None:
        """Set a task's state by hand."""
        self._write(self.task(task_id), state=state, **_FRESH)

    def pause(self, dag_id: str = "etl", *, paused: bool = True) -> None:
        with self.database.session() as session, session.begin():
            session.execute(update(DagModel).where(DagModel.dag_id == dag_id).values(is_paused=paused))

    def reset_orphan(self, task_id: str) -> bool:
        """Let a scheduler's death take a running attempt along; false when none runs."""
        row = self.task(task_id)
        if row.state != State.RUNNING:
            return False
        self._write(row, id=uuid7(), state=None, **_FRESH)
        return True

    # --- what can be seen

    def tasks(self) -> list[Row]:
        columns = [getattr(TaskInstance, name) for name in _SEEN]
        with self.database.session() as session:
            return list(session.execute(select(*columns).order_by(TaskInstance.task_id)))

    def task(self, task_id: str) -> Row:
        return next(row for row in self.tasks() if row.task_id == task_id)

    def states(self) -> dict[str, str | None]:
        return {row.task_id: row.state for row in self.tasks()}

    # --- a second of scheduler, workers and triggerer

    def tick(self) -> None:
        paused = self._paused()
        for row in self.tasks():
            if row.state in (None, State.UP_FOR_RETRY) and row.dag_id not in paused:
                self._write(row, state=State.SCHEDULED, try_number=row.try_number + 1)
            elif row.state == State.SCHEDULED and row.dag_id not in paused:
                self._start(row)
            elif row.state == State.RUNNING:
                self._run(row)
            elif row.state == State.DEFERRED and row.next_method == FINISHED:
                self._watch(row)

    def _start(self, row: Row) -> None:
        self._picked[row.id] += 1
        if row.next_method != RESUME_METHOD or self._picked[row.id] > self.work[row.task_id].slow:
            self._picked[row.id] = 0
            self._write(row, state=State.RUNNING)

    def _run(self, row: Row) -> None:
        if row.next_method is None:
            self._defer(row)
        elif row.next_method == FINISHED:
            self._finish(row)
        else:
            payload = deserialize(row.next_kwargs)["event"]
            self._admitted(row, AdmissionEvent.from_payload(payload))

    def _admitted(self, row: Row, event: AdmissionEvent) -> None:
        self.told.setdefault(row.task_id, []).append(event.outcome)
        if event.outcome in ("cancelled", "impossible"):
            self._fail(row, again=event.retry)
            return
        self.woken[row.id, event.job_id, event.admission] += 1
        if event.adopt:
            found = [app for app in self.cluster.apps.values() if app.view.name == event.adopt]
            if found and not found[0].view.deleting:
                self._follow(row, found[0])
                return
            late = f"application {event.adopt} of the lost attempt is gone"
        else:
            late = "the admission had run out" if self._clock().timestamp() > event.valid_until else ""
        if late:
            self._defer(row, reason=late, admission=event.admission)
            return
        self._create(row, event)

    def _create(self, row: Row, event: AdmissionEvent) -> None:
        work, key = self.work[row.task_id], _key(row)
        app = self.cluster.create(
            work.namespace,
            application_name(key, event.job_id, event.admission),
            job_labels(event.instance_id, key, event.job_id, event.admission),
            executors=work.executors,
            runtime=work.runtime,
            succeeds=work.failures == 0,
        )
        if work.dies:
            work.dies -= 1
            self._write(row, id=uuid7(), state=None, **_FRESH)
        else:
            self._follow(row, app)

    def _follow(self, row: Row, app: App) -> None:
        self._following[row.id] = app
        with self.database.session() as session, session.begin():
            trigger = builders.make_trigger(session, "{}", classpath=FOLLOWING, created=self._clock())
            self._set(session, row, state=State.DEFERRED, trigger_id=trigger.id, next_method=FINISHED)

    def _watch(self, row: Row) -> None:
        app = self._following[row.id]
        found = self.cluster.apps.get(app.view.uid)
        if found is None:
            end = ("VANISHED", "")
        elif found.view.terminal:
            end = (found.view.state, found.view.error)
        elif found.starving > STARVED:
            end = ("STARVED", "stale quota: starved")
        else:
            return
        self._ended[row.id] = end
        self._write(row, state=State.SCHEDULED, trigger_id=None)

    def _finish(self, row: Row) -> None:
        state, error = self._ended[row.id]
        app = self._following[row.id]
        self.cluster.delete(app.view.uid)
        if state == "STARVED" or "exceeded quota" in error:
            self._defer(row, reason=f"stale quota: {error}", admission=1)
        elif state == "COMPLETED":
            self._log(row, "success")
            self._write(row, state=State.SUCCESS, next_method=None)
        else:
            self.work[row.task_id].failures = max(0, self.work[row.task_id].failures - 1)
            self._fail(row, again=True)

    def _fail(self, row: Row, *, again: bool) -> None:
        retry = again and row.try_number <= row.max_tries
        self._log(row, "up_for_retry" if retry else "failed")
        if retry:
            self._write(row, id=uuid7(), state=State.UP_FOR_RETRY, **_FRESH)
        else:
            self._write(row, state=State.FAILED, **_FRESH)

    def _defer(self, row: Row, **fields) -> None:
        request = self.work[row.task_id].request(**fields)
        with self.database.session() as session, session.begin():
            text = json.dumps({"request": request.to_json()})
            trigger = builders.make_trigger(session, text, created=self._clock())
            values = {"next_method": RESUME_METHOD, "next_kwargs": {}}
            self._set(session, row, state=State.DEFERRED, trigger_id=trigger.id, **values)

    def _log(self, row: Row, what: str) -> None:
        names = ("dag_id", "task_id", "run_id", "map_index", "try_number")
        with self.database.session() as session, session.begin():
            session.add(Log(event=what, **{name: getattr(row, name) for name in names}))

    def _paused(self) -> frozenset[str]:
        with self.database.session() as session:
            return frozenset(session.scalars(select(DagModel.dag_id).where(DagModel.is_paused)))

    def _write(self, row: Row, **values) -> None:
        with self.database.session() as session, session.begin():
            self._set(session, row, **values)

    @staticmethod
    def _set(session, row: Row, **values) -> None:
        session.execute(
            update(TaskInstance)
            .where(TaskInstance.id == row.id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


#: What is read of a task instance.
_SEEN = (
    "id",
    "dag_id",
    "run_id",
    "task_id",
    "map_index",
    "state",
    "try_number",
    "max_tries",
    "trigger_id",
    "next_method",
    "next_kwargs",
)
#: What Airflow wipes from a task instance whose attempt is over.
_FRESH = {"trigger_id": None, "next_method": None, "next_kwargs": None}


def _key(row: Row) -> TaskKey:
    return TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)
