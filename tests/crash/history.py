# SPDX-License-Identifier: Apache-2.0
"""Random histories of a site: whatever people, clusters, clocks and deaths do, everything comes to an end."""

from __future__ import annotations

import datetime
from contextlib import suppress

from airflow.utils.state import TaskInstanceState as State
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.errors import Conflict, InvalidInput, NotFound
from tests.crash.airflow import DONE
from tests.crash.site import Site, run_cycle

PICK = st.integers(0, 50)
NODES = ("node-1", "node-2")
#: Enough for everything to happen at once, and few enough to come to an end within seconds.
MOST = 7


class History(RuleBasedStateMachine):
    """One history; every step checks the invariants, and the end is the end of everything.

    :ivar sites: makes a site; set by the test.
    :ivar lived: histories, steps, deaths and stops so far.
    """

    sites = None
    lived: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self._open = type(self).sites(
            max_reschedules=50, head_timeout_seconds=60.0, head_retry_count=1, head_retry_position="tail"
        )
        self.site: Site = self._open.__enter__()
        self.names: list[str] = []

    # --- work comes and goes

    @initialize(executors=st.lists(st.integers(0, 5), min_size=2, max_size=4))
    def work_waits(self, executors) -> None:
        for count in executors:
            self.a_task_comes(executors=count, runtime=2)
        self.site.step(2)

    @precondition(lambda self: len(self.names) < MOST)
    @rule(
        executors=st.integers(0, 5),
        runtime=st.integers(0, 4),
        priority=st.sampled_from(("high", "normal")),
        failures=st.integers(0, 1),
        retries=st.integers(0, 2),
        slow=st.sampled_from((0, 0, 3, 40)),
        dies=st.integers(0, 1),
    )
    def some_work_comes(self, **work) -> None:
        self.a_task_comes(**work)

    def a_task_comes(self, **work) -> None:
        self.names.append(f"task{len(self.names)}")
        self.site.airflow.add(self.names[-1], **work)

    @rule(seconds=st.integers(1, 4))
    def time_passes(self, seconds) -> None:
        self.site.step(seconds)

    @rule(seconds=st.sampled_from((10, 35, 70)))
    def the_clock_jumps(self, seconds) -> None:
        self.site.now += datetime.timedelta(seconds=seconds)
        self.site.step()

    # --- the cluster changes

    @rule(name=st.sampled_from(NODES))
    def a_node_is_lost_or_comes_back(self, name) -> None:
        if name in self.site.cluster.nodes:
            self.site.cluster.lose_node(name)
        else:
            self.site.cluster.nodes[name] = 6

    @rule(cpus=st.integers(1, 9))
    def the_quota_is_edited(self, cpus) -> None:
        self.site.cluster.excused.add("team-a")
        self.site.cluster.quotas["team-a"] = cpus
        if not self.site.cluster.lag:
            self.site.cluster.publish()

    @rule(count=st.integers(0, 4))
    def somebody_else_is_faster(self, count) -> None:
        self.site.cluster.excused.add("team-a")
        self.site.cluster.foreign["team-a"] = self.site.cluster.hidden["team-a"]
        self.site.cluster.hidden["team-a"] = count

    @rule(lag=st.booleans(), fresh=st.booleans())
    def watches_lag_or_lose_step(self, lag, fresh) -> None:
        self.site.cluster.lag, self.site.cluster.fresh = lag, fresh

    # --- Airflow and people

    @precondition(lambda self: self.names)
    @rule(pick=PICK)
    def a_task_is_cleared(self, pick) -> None:
        self.site.marked.discard(self._name(pick))
        self.site.airflow.clear(self._name(pick))

    @precondition(lambda self: self.names)
    @rule(pick=PICK)
    def an_attempt_is_lost(self, pick) -> None:
        self.site.airflow.reset_orphan(self._name(pick))

    @precondition(lambda self: self.names)
    @rule(pick=PICK, state=st.sampled_from((State.SUCCESS, State.FAILED)))
    def a_task_is_marked(self, pick, state) -> None:
        self.site.mark(self._name(pick), state)

    @rule(paused=st.booleans())
    def the_dag_is_paused_or_goes_on(self, paused) -> None:
        self.site.airflow.pause(paused=paused)

    @rule(act=st.sampled_from((actions.pause_queue, actions.drain_queue, actions.resume_queue)))
    def a_person_stops_or_resumes_the_queue(self, act) -> None:
        with suppress(Conflict, NotFound):
            self.site.queue(act)

    @precondition(lambda self: self.names)
    @rule(
        pick=PICK,
        what=st.sampled_from(
            (
                (actions.hold_job,),
                (actions.release_job,),
                (actions.cancel_job,),
                (actions.change_pool, "high"),
                (actions.change_pool, "normal"),
                (actions.move_job, "first"),
                (actions.move_job, "last"),
            )
        ),
    )
    def a_person_acts_upon_a_job(self, pick, what) -> None:
        act, *arguments = what
        if self.site.jobs(self._name(pick)):
            with suppress(Conflict, InvalidInput):
                self.site.person(act, self._name(pick), *arguments)

    # --- arbiters die, stop, and follow each other

    @rule(distance=st.integers(1, 12), sleeping=st.booleans())
    def an_arbiter_will_die_or_stop(self, distance, sleeping) -> None:
        self.site.points.arm(distance, sleeping=sleeping)

    @rule()
    def another_arbiter_takes_over_and_the_first_one_wakes(self) -> None:
        first = self.site.loop
        self.site.replace_arbiter()
        self.site.step()
        run_cycle(first)
        self.site.check()

    def _name(self, pick: int) -> str:
        return self.names[pick % len(self.names)]

    def teardown(self) -> None:
        """Give back what was taken away, and let everything come to its end."""
        try:
            self._mend()
            self.site.finish()
            self.lived["histories"] += 1
            self.lived["tasks"] += len(self.names)
            self.lived["arbiters"] += self.site.arbiters
            self.lived["disturbed"] += self.site.points.acted
        finally:
            self._open.__exit__(None, None, None)

    def _mend(self) -> None:
        cluster = self.site.cluster
        cluster.nodes.update(dict.fromkeys(NODES, 6))
        cluster.quotas["team-a"], cluster.fresh, cluster.lag = 9, True, False
        cluster.foreign.clear()
        cluster.hidden.clear()
        self.site.airflow.pause(paused=False)
        for work in self.site.airflow.work.values():
            work.slow = 0
        with suppress(Conflict, NotFound):
            self.site.queue(actions.resume_queue)
        self.site.step()
        for name, state in self.site.airflow.states().items():
            if state not in DONE and self.site.jobs(name):
                with suppress(Conflict):
                    self.site.person(actions.release_job, name)
