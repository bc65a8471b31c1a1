# SPDX-License-Identifier: Apache-2.0
"""The run itself: trigger the DAGs, show what happens, compare it with what had to happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.console import Console

from airflow_priority_spark.scheduling.jobs import WAITING
from airflow_priority_spark.scheduling.resources import format_amount, is_cpu
from demo.places import Place
from demo.plan import FIRST
from demo.rest import ENDED
from demo.site import AirflowSite
from demo.table import Screen, duration
from demo.verdict import Task, judge, summary_table
from demo.view import Viewer
from demo.witness import Witness

RUN_ID: Final = "demo"
#: The urgent DAGs come when jobs wait in every namespace, or after this time.
FILL_SECONDS: Final = 45.0
#: Job rows follow the ends of their tasks with the arbiter's next comparison.
SETTLE_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Play:
    """One run on a site and a cluster that are ready."""

    console: Console
    site: AirflowSite
    place: Place
    dags: tuple[str, ...]

    def run(self, began: float) -> bool:
        """Run to the end and print the summary; true when all came as it had to.

        :param began: ``time.monotonic()`` at the start of the demo.
        :raises TimeoutError: when a DAG run does not end.
        """
        expected = self._tasks()
        viewer = Viewer(self.site, self.place.namespaces)
        witness = Witness(self.place.kubeconfig, self.place.namespaces, nodes=self.place.is_own)
        witness.start()
        try:
            self._follow(viewer)
        finally:
            witness.stop()
        verdict = judge(expected, self._task_states(), viewer.look().jobs, witness)
        self.console.print(summary_table(viewer.last.jobs, viewer.blocked_by))
        self.console.print(f"\nMost that pods requested at a time, in {witness.samples} looks:")
        for (namespace, key), (peak, hard) in witness.peaks.items():
            text = f"  {namespace} {key}: {_amount(key, peak)} of {_amount(key, hard)}"
            self.console.print(text, highlight=False)
        for difference in verdict.differences:
            self.console.print(difference, style="red", markup=False, soft_wrap=True)
        self.console.print(f"Took {duration(time.monotonic() - began)}.")
        for line in verdict.lines():
            self.console.print(line, highlight=False)
        return verdict.passed

    def _tasks(self) -> frozenset[Task]:
        found = {dag: self.site.api.request("GET", f"/dags/{dag}/tasks")["tasks"] for dag in self.dags}
        return frozenset((dag, task["task_id"]) for dag, tasks in found.items() for task in tasks)

    def _task_states(self) -> dict[Task, str]:
        return {
            (dag, found["task_id"]): found["state"]
            for dag in self.dags
            for found in self.site.api.task_instances(dag, RUN_ID)
        }

    def _follow(self, viewer: Viewer) -> None:
        """Trigger everything and show it until it has ended."""
        end = time.monotonic() + self.place.patience
        with Screen(self.console) as screen:
            self._trigger(FIRST)
            _watch(viewer, screen, FILL_SECONDS, lambda: self._every_queue_waits(viewer))
            for dag in self.dags:
                if dag != FIRST:
                    self._trigger(dag)
            if not _watch(viewer, screen, end - time.monotonic(), self._has_ended):
                raise TimeoutError(self._unfinished(viewer))
            _watch(viewer, screen, SETTLE_SECONDS, lambda: all(job.ended_at for job in viewer.last.jobs))

    def _trigger(self, dag: str) -> None:
        self.site.api.pause(dag, paused=False)
        self.site.api.trigger(dag, RUN_ID)

    def _every_queue_waits(self, viewer: Viewer) -> bool:
        waiting = {
            job.namespace for job in viewer.last.jobs if job.state in WAITING and job.blocking_resource
        }
        return waiting.issuperset(self.place.namespaces)

    def _has_ended(self) -> bool:
        return all(self.site.api.run_state(dag, RUN_ID) in ENDED for dag in self.dags)

    def _unfinished(self, viewer: Viewer) -> str:
        jobs = (
            f"{job.task.task_id} {job.state}: {job.sentence}" for job in viewer.last.jobs if not job.ended_at
        )
        tasks = {".".join(task): state for task, state in self._task_states().items() if state != "success"}
        return f"not ended after {self.place.patience:g} s; tasks {tasks}; jobs {'; '.join(jobs) or 'none'}"


def _amount(key: str, amount: Decimal) -> str:
    """Say an amount of the Kubernetes API, which counts CPUs, with its unit."""
    return format_amount(key, int(amount * 1000 if is_cpu(key) else amount))


def _watch(viewer: Viewer, screen: Screen, seconds: float, done: Callable[[], bool]) -> bool:
    """Look and show until it is done; false after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        screen.show(viewer.look())
        if done():
            return True
        time.sleep(LOOK_SECONDS)
    return False
