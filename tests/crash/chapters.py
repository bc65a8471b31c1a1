# SPDX-License-Identifier: Apache-2.0
"""What happens at a site, in chapters short enough to be told once for every point.

A chapter tells what people, clusters and workers do, not what the arbiter does; its end must be the same
whether or not an arbiter died on the way: every task ends as ``ends`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.utils.state import TaskInstanceState as State

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.spark.identity import TaskKey, job_labels
from tests.crash.site import Site


@dataclass(frozen=True)
class Chapter:
    """A story, the settings it needs, and how each of its tasks ends.

    :param jobs: task → how its jobs end, one after the other; by default one job ends as its task does.
    :param fails_before: other jobs of a task may have failed before, for who is hit is a matter of moments.
    """

    story: Callable[[Site], None]
    ends: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    jobs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fails_before: bool = False

    @property
    def name(self) -> str:
        return self.story.__name__

    def tell(self, site: Site) -> None:
        """Let it happen.

        :raises Broken: when an invariant does not hold, on the way or at the end.
        """
        self.story(site)
        states = site.finish()
        assert states == dict(self.ends), f"{self.name} ended otherwise"
        for task_id in states:
            ends = tuple(job.state for job in site.jobs(task_id))
            if self.fails_before and set(ends[:-1]) <= {"failed"}:
                ends = ends[-1:]
            assert ends in self._jobs(task_id), f"the jobs of {task_id} ended {ends}"

    def _jobs(self, task_id: str) -> tuple[tuple[str, ...], ...]:
        one = {State.SUCCESS: (("succeeded",),), State.FAILED: (("failed",), ("cancelled",))}
        return (self.jobs[task_id],) if task_id in self.jobs else one[self.ends[task_id]]


def life(site: Site) -> None:
    """Intake, admission, resume, submission, running and end, with more work than room."""
    for number in range(4):
        site.airflow.add(f"n{number}", executors=2)
    site.airflow.add("h0", executors=3, priority="high")
    site.step(6)


def clear(site: Site) -> None:
    """Tasks are cleared while they wait, when they were just admitted, and while they run."""
    site.airflow.add("runs", executors=3, runtime=5)
    site.airflow.add("waits", executors=3)
    site.step(6)
    site.airflow.clear("waits")
    site.step(2)
    site.airflow.clear("runs")
    site.step(2)
    site.airflow.add("just", executors=1)
    site.step()
    site.airflow.clear("just")
    site.step()


def retry(site: Site) -> None:
    """An application fails and Airflow tries again; another has no retries left."""
    site.airflow.add("again", executors=2, failures=1, retries=2)
    site.airflow.add("never", executors=2, failures=5, retries=1)
    site.step(5)


def orphans(site: Site) -> None:
    """Schedulers die: before anything was created, right after, and twice with one task."""
    site.airflow.add("early", executors=2, runtime=2)
    site.airflow.add("late", executors=2, runtime=4, dies=1)
    site.airflow.add("behind", executors=5, dies=2)
    for _ in range(8):
        site.step()
        if site.airflow.reset_orphan("early"):
            break


def orphan_retried(site: Site) -> None:
    """An attempt is lost, the next one is gone on with and fails: Airflow retries it."""
    site.airflow.add("first", executors=2, runtime=2, dies=1, failures=1, retries=5)
    site.airflow.add("second", executors=4)
    site.step(5)


def people(site: Site) -> None:
    """People hold, release, move, cancel and send to legacy what waits, and mark what runs."""
    site.airflow.add("runs", executors=5, runtime=6)
    for name in ("held", "moved", "cancelled", "legacy", "pooled"):
        site.airflow.add(name, executors=2)
    site.step(3)
    site.person(actions.hold_job, "held")
    site.person(actions.move_job, "moved", "last")
    site.step()
    site.person(actions.cancel_job, "cancelled")
    site.cluster.unbounded.add("team-a")
    site.person(actions.send_to_legacy, "legacy")
    site.person(actions.change_pool, "pooled", "high")
    site.step(2)
    site.mark("runs", State.FAILED)
    site.person(actions.release_job, "held")
    site.step()


def stale_quota(site: Site) -> None:
    """Somebody else is faster: what was admitted is refused, for the driver and for executors."""
    site.cluster.excused.add("team-a")
    site.cluster.hidden["team-a"] = 5
    site.airflow.add("starved", executors=1)
    site.airflow.add("refused", executors=2)
    site.airflow.add("behind", executors=1)
    site.step(6)
    site.cluster.foreign["team-a"], site.cluster.hidden["team-a"] = 5, 0
    site.step(4)
    site.cluster.foreign["team-a"] = 0
    site.step()


def heads(site: Site) -> None:
    """A head is blocked for too long: tried again at the tail, then cancelled; another waits too long."""
    site.airflow.add("runs", executors=3, runtime=60)
    site.airflow.add("patient", executors=5, queue_timeout=0)
    site.airflow.add("behind", executors=5, queue_timeout=8)
    for _ in range(4):
        site.step(6)


def slow(site: Site) -> None:
    """Airflow does not start an admitted task in time; its admission is taken back."""
    site.airflow.add("slow", executors=5, slow=12)
    site.airflow.add("next", executors=5)
    site.step(14)
    site.airflow.work["slow"].slow = 0
    site.step(2)


def pauses(site: Site) -> None:
    """A DAG is paused and goes on; a queue is drained, and resumed."""
    site.airflow.add("first", executors=5, runtime=2)
    site.airflow.add("second", executors=5)
    site.airflow.add("other", executors=1, dag_id="reports")
    site.step(2)
    site.airflow.pause()
    site.step(2)
    site.queue(actions.drain_queue)
    site.airflow.add("new", executors=1, dag_id="reports")
    site.step(2)
    site.airflow.pause(paused=False)
    site.queue(actions.resume_queue)
    site.step(2)


def hopeless(site: Site) -> None:
    """Demand that can never be met, a pool that does not exist, and a task set to a state while it waits."""
    site.airflow.add("giant", executors=9)
    site.airflow.add("nowhere", priority="urgentt")
    site.airflow.add("marked", executors=1)
    site.cluster.fresh = False
    site.step(2)
    site.mark("marked", State.SUCCESS)
    site.cluster.fresh = True
    site.step(2)


def observed(site: Site) -> None:
    """The flow ``observe`` beside the queue, with a cluster that shows everything a moment late."""
    site.cluster.lag = True
    site.airflow.add("queued", executors=4)
    site.cluster.unbounded.add("team-a")
    site.airflow.add("observed", executors=1, flow="observe")
    site.airflow.add("behind", executors=5)
    site.step(5)


def late_watches(site: Site) -> None:
    """Everything that a cluster shows comes a second late, and a node is lost."""
    site.cluster.lag = True
    for number in range(3):
        site.airflow.add(f"n{number}", executors=2, runtime=2, retries=9)
    site.step(5)
    site.cluster.lose_node("node-1")
    site.step(4)
    site.cluster.nodes["node-1"] = 6
    site.step()


def asked(site: Site) -> None:
    """The admission chain is asked before anything is admitted, and refuses for a while."""
    site.airflow.add("first", executors=2)
    site.step(2)
    site.cluster.api.chain["team-a"] = 'admission webhook "policy" denied the request: not today'
    site.airflow.add("refused", executors=1)
    site.airflow.add("behind", executors=3)
    site.step(4)
    site.cluster.api.chain.clear()
    site.step(6)


def room_is_kept(site: Site) -> None:
    """Placeholders find nodes first; a node goes and comes back, and who waits for it is cancelled."""
    site.cluster.quotas["team-a"] = 12
    site.cluster.lose_node("node-1")
    site.airflow.add("first", executors=3, runtime=14)
    site.airflow.add("cancelled", executors=4)
    site.airflow.add("behind", executors=2)
    site.step(4)
    site.person(actions.cancel_job, "cancelled")
    site.step(4)
    site.cluster.nodes["node-1"] = 6
    site.step(3)


def strays(site: Site) -> None:
    """Applications nobody waits for: their tasks were marked or cleared, or there never was a job."""
    site.cluster.unbounded.add("team-a")
    labels = job_labels(site.loop.context.instance_id, TaskKey("etl", "run-x", "x", -1), "no-job", 1)
    site.cluster.create("team-a", "nobodys", labels, executors=0, runtime=90, succeeds=True)
    for name in ("marked", "cleared"):
        site.airflow.add(name, executors=1, runtime=20)
    site.step(4)
    site.mark("marked", State.SUCCESS)
    site.airflow.work["cleared"].runtime = 1
    site.airflow.clear("cleared")
    site.step(2)


OK, BAD = State.SUCCESS, State.FAILED
CHAPTERS = (
    Chapter(life, dict.fromkeys(("n0", "n1", "n2", "n3", "h0"), OK)),
    Chapter(
        clear,
        {"runs": OK, "waits": OK, "just": OK},
        jobs=dict.fromkeys(("runs", "waits", "just"), ("cancelled", "succeeded")),
    ),
    Chapter(
        retry,
        {"again": OK, "never": BAD},
        jobs={"again": ("failed", "succeeded"), "never": ("failed", "failed")},
    ),
    Chapter(orphans, {"early": OK, "late": OK, "behind": OK}),
    Chapter(orphan_retried, {"first": OK, "second": OK}, jobs={"first": ("failed", "succeeded")}),
    Chapter(
        people,
        {"runs": BAD, "held": OK, "moved": OK, "cancelled": BAD, "legacy": OK, "pooled": OK},
    ),
    Chapter(stale_quota, {"starved": OK, "refused": OK, "behind": OK}, {"max_reschedules": 20}),
    Chapter(
        heads,
        {"runs": OK, "patient": BAD, "behind": BAD},
        {"head_timeout_seconds": 10.0, "head_retry_count": 1, "head_retry_position": "tail"},
    ),
    Chapter(slow, {"slow": OK, "next": OK}, {"admission_valid_seconds": 8.0, "max_reschedules": 20}),
    Chapter(pauses, dict.fromkeys(("first", "second", "other", "new"), OK)),
    Chapter(
        hopeless, {"giant": BAD, "nowhere": BAD, "marked": OK}, jobs={"nowhere": (), "marked": ("cancelled",)}
    ),
    Chapter(observed, {"queued": OK, "observed": OK, "behind": OK}, {"max_reschedules": 20}),
    Chapter(late_watches, {"n0": OK, "n1": OK, "n2": OK}, fails_before=True),
    Chapter(
        asked,
        {"first": OK, "refused": OK, "behind": OK},
        {"capacity_mode": "quota+nodes+dry-run", "max_reschedules": 20},
    ),
    Chapter(
        room_is_kept,
        {"first": OK, "cancelled": BAD, "behind": OK},
        {"capacity_mode": "quota+placeholder", "placeholder_namespace": "airflow"},
    ),
    Chapter(
        strays,
        {"marked": OK, "cleared": OK},
        {"delete_orphans": True, "max_reschedules": 20},
        jobs={"cleared": ("cancelled", "succeeded")},
    ),
)
