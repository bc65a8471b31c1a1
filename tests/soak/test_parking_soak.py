# SPDX-License-Identifier: Apache-2.0
"""Minutes of parking interleaved with new deferrals, on SQLite, beside a real triggerer.

Why on SQLite: it would give the id of a deleted trigger to the next one, and a triggerer tells triggers
apart by id alone; see ``store/trigger_ids.py``. Two things must hold: no task instance is lost with a
trigger row (the foreign key cascades), and every trigger that somebody waits for starts.

The tasks and triggers are rows as the Execution API writes them; the triggerer is Airflow's own
process; the arbiter's loop is the real one on a cluster that is always in step, with one namespace
that has room and one that has none. A task of the namespace with room, once admitted, defers again to
a trigger that fires, as the operator does when it has created its application.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.state import TaskInstanceState
from sqlalchemy import func, select, update

from airflow_priority_spark.arbiter.loop import utcnow
from airflow_priority_spark.store.models import Job
from demo.site import AirflowSite
from tests import builders
from tests.e2e.work import until
from tests.unit.arbiter.world import World

SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))
#: After the last deferral everything must have happened within this time.
SETTLE_SECONDS = 60.0
FIGURES = Path(__file__).parents[2] / "benchmarks" / "results" / "parking_soak.json"
TIMER = "airflow.providers.standard.triggers.temporal.DateTimeTrigger"

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 300)]


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def triggerer(database, tmp_path):
    """Airflow's triggerer on the test's database."""
    config = {"triggerer.max_trigger_to_select_per_loop": "500", "triggerer.capacity": "5000"}
    site = AirflowSite(
        tmp_path, dags=tmp_path, kubeconfig=tmp_path / "none", config=config, database_url=database.url
    )
    with site:
        site.start("triggerer")
        yield site


class Tasks:
    """What workers do: defer to the queue, defer to a timer, and go on when they are resumed."""

    def __init__(self, database, seed: int) -> None:
        self._database, self._random, self._numbers = database, random.Random(seed), count()
        self.deferred: Counter[str] = Counter()
        self.trigger_ids: list[int] = []

    def defer_some(self) -> None:
        """Let a handful of tasks defer, each in a transaction of its own."""
        for _ in range(self._random.randint(1, 6)):
            what = self._random.choice(("waits", "admitted", "timer"))
            with self._database.session() as session, session.begin():
                task_id = f"{what}-{next(self._numbers)}"
                made = self._timer(session, task_id) if what == "timer" else self._job(session, task_id, what)
                self.trigger_ids.append(made.trigger_id)
            self.deferred[what] += 1

    def _job(self, session, task_id, what):
        request = builders.make_request(namespace="open" if what == "admitted" else "shut")
        return builders.make_deferred_task(session, task_id=task_id, request=request, enqueued_at=utcnow())

    def _timer(self, session, task_id):
        moment = utcnow() + datetime.timedelta(seconds=self._random.uniform(0, 2))
        return builders.make_task(
            session,
            task_id=task_id,
            state=TaskInstanceState.DEFERRED,
            trigger_id=self._trigger(session, moment),
            next_method="resume_finished",
            next_kwargs={},
        )

    def _trigger(self, session, moment) -> int:
        kwargs = json.dumps({"target_time": moment.isoformat(), "end_from_trigger": False})
        return builders.make_trigger(session, kwargs, classpath=TIMER, created=utcnow()).id

    def go_on(self) -> None:
        """Play the worker for resumed tasks: after an admission comes a timer, after a timer the end."""
        with self._database.session() as session, session.begin():
            resumed = session.execute(
                select(TaskInstance.id, TaskInstance.next_method).where(
                    TaskInstance.state == TaskInstanceState.SCHEDULED
                )
            ).all()
            for ti_id, method in resumed:
                values = {"state": TaskInstanceState.SUCCESS}
                if method == "resume_admitted":
                    values = {
                        "state": TaskInstanceState.DEFERRED,
                        "next_method": "resume_finished",
                        "trigger_id": self._trigger(session, utcnow()),
                    }
                    self.trigger_ids.append(values["trigger_id"])
                session.execute(update(TaskInstance).where(TaskInstance.id == ti_id).values(**values))


class Arbiter(threading.Thread):
    """The real loop, cycling beside the deferrals."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self._loop, self._ended = world.loop, threading.Event()
        self._loop.clock = self._loop.leadership._clock = utcnow
        self.cycles, self.faults = 0, []

    def run(self) -> None:
        assert self._loop._lead()
        while not self._ended.wait(0.05):
            try:
                self._loop.cycle()
                self.cycles += 1
            except Exception as error:
                self.faults.append(repr(error)[:300])

    def stop(self) -> None:
        self._ended.set()
        self.join()


def states(database) -> Counter[tuple[str, str]]:
    """Return how many tasks there are by what should become of them and their state."""
    with database.session() as session:
        rows = session.execute(select(TaskInstance.task_id, TaskInstance.state))
        return Counter((task_id.split("-")[0], str(state)) for task_id, state in rows)


def test_parking_between_deferrals_loses_no_task_and_starts_every_trigger(database, triggerer):
    world = World(database, fail_impossible=False)
    world.cluster.quotas = {"open": {"requests.cpu": "1000000"}, "shut": {"requests.cpu": "0"}}
    world.cluster.nodes = {"node-1": {"cpu": "1000000", "memory": "4000Ti", "pods": "1000000"}}
    tasks, arbiter = Tasks(database, seed=1), Arbiter(world)
    pause = random.Random(2)
    until(lambda: "triggerer" in triggerer.log_end("triggerer").lower(), lambda: "no triggerer")
    arbiter.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        tasks.defer_some()
        tasks.go_on()
        time.sleep(pause.uniform(0, 0.2))

    waits, admitted, timers = (tasks.deferred[what] for what in ("waits", "admitted", "timer"))
    wanted = {("waits", "deferred"): waits, ("admitted", "success"): admitted, ("timer", "success"): timers}

    def settled() -> bool:
        tasks.go_on()
        return states(database) == wanted

    started = time.monotonic()
    until(settled, lambda: f"{states(database)} is not {wanted}", timeout=SETTLE_SECONDS)
    settle_seconds = time.monotonic() - started
    until(lambda: triggers(database) == 0, lambda: f"{triggers(database)} trigger rows are left")
    arbiter.stop()
    assert parked(database) == waits
    assert len(set(tasks.trigger_ids)) == len(tasks.trigger_ids)
    figures = {
        "seconds": SECONDS,
        "task_instances": sum(tasks.deferred.values()),
        "triggers": len(tasks.trigger_ids),
        "trigger_ids_reused": 0,
        "parked_at_the_end": waits,
        "cycles": arbiter.cycles,
        "failed_cycles": len(arbiter.faults),
        "settled_after_seconds": round(settle_seconds, 1),
        "task_instances_lost": 0,
        "triggers_not_started": 0,
    }
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")


def triggers(database) -> int:
    with database.session() as session:
        return session.scalar(select(func.count()).select_from(Trigger).where(Trigger.queue.is_(None)))


def parked(database) -> int:
    """Count the jobs whose task waits without a trigger."""
    with database.session() as session:
        return session.scalar(
            select(func.count())
            .select_from(Job)
            .join(TaskInstance, TaskInstance.id == Job.ti_id)
            .where(Job.parked, Job.state == "queued", TaskInstance.trigger_id.is_(None))
        )
