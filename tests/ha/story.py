# SPDX-License-Identifier: Apache-2.0
"""What must hold at the end of every story, read from the jobs' own events."""

from __future__ import annotations

from collections import Counter, defaultdict

from airflow_priority_spark.scheduling.jobs import is_terminal

HOLDING = frozenset({"admitted", "submitted", "running"})


class Story:
    """All jobs and events of a database.

    :param ask: runs a statement and returns its rows.
    """

    def __init__(self, ask) -> None:
        self.jobs = dict(ask("SELECT id, state FROM priority_spark_job"))
        self.lines = {
            job: (pool, at, number)
            for job, pool, at, number in ask(
                "SELECT id, pool, position_at, position_id FROM priority_spark_job"
            )
        }
        self.events = ask(
            "SELECT job_id, from_state, to_state, actor, at FROM priority_spark_event "
            "WHERE from_state IS NULL OR from_state <> to_state ORDER BY id"
        )
        self.tasks = ask("SELECT id::text, state FROM task_instance")
        self.grants = ask("SELECT job_id FROM priority_spark_grant")

    @property
    def all_ended(self) -> bool:
        return bool(self.jobs) and all(is_terminal(state) for state in self.jobs.values())

    @property
    def admissions(self) -> list[str]:
        return [job for job, before, after, *_ in self.events if (before, after) == ("queued", "admitted")]

    def check(self, *, tasks: int, most: int) -> None:
        """Hold the story against the invariants.

        :param tasks: so many tasks have deferred.
        :param most: so many jobs fit at a time.
        """
        assert len(self.jobs) == tasks, "a job for each task"
        assert Counter(self.jobs.values()) == {"succeeded": tasks}, "no job is lost"
        assert Counter(state for _, state in self.tasks) == {"success": tasks}
        assert set(Counter(self.admissions).values()) == {1}, "none is admitted twice"
        assert self._ends() == dict.fromkeys(self.jobs, 1), "each ends exactly once"
        assert self._most_at_a_time() <= most, "no more than fits"
        self._check_fifo()

    def _ends(self) -> dict[str, int]:
        return Counter(job for job, _, after, *_ in self.events if is_terminal(after))

    def _most_at_a_time(self) -> int:
        holding, most = set(), 0
        for job, _, after, *_ in self.events:
            (holding.add if after in HOLDING else holding.discard)(job)
            most = max(most, len(holding))
        return most

    def _check_fifo(self) -> None:
        by_pool = defaultdict(list)
        for job in self.admissions:
            pool, *position = self.lines[job]
            by_pool[pool].append(position)
        for pool, positions in by_pool.items():
            assert positions == sorted(positions), f"first come, first served in {pool}"
