# SPDX-License-Identifier: Apache-2.0
"""Instant stand-in workers: a process that lets tasks defer, takes up what was resumed, and ends it in time.

It does to Airflow's tables what the Execution API, the scheduler and the triggerer do, in bulk and without
delay, and knows nothing of ours: a task that is due is deferred with a trigger; one that is SCHEDULED is
RUNNING in the next look; after its runtime it is SUCCESS; triggers that no task has any more are removed.
Reads a plan from standard input (JSON, see ``Plan``), says ``ready``, begins at the next line, and ends with
a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

CLASSPATH = "airflow_priority_spark.triggers.admission.AdmissionTrigger"
LOOK_SECONDS = 0.01
#: A triggerer removes unused triggers in every round of its loop, which takes about so long.
CLEAN_SECONDS = 1.0


@dataclass
class Plan:
    """What to do.

    :param arrivals: (seconds, task instance id, index of its kwargs, runtime in seconds), in order.
    :param kwargs: texts of trigger kwargs.
    :param patience_seconds: give up so long after the last arrival.
    """

    dsn: str
    arrivals: list[tuple[float, str, int, float]]
    kwargs: list[str]
    patience_seconds: float


class Workers:
    """The tables, as workers and scheduler see them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.connection = psycopg2.connect(plan.dsn)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.runtimes = {ti: runtime for _, ti, _, runtime in plan.arrivals}
        self.arrived = {ti: at for at, ti, *_ in plan.arrivals}
        self.waits: dict[str, float] = {}
        self.late = 0.0

    def run(self) -> dict[str, Any]:
        """Play the plan; return makespan, waits and how late deferrals were."""
        due, ends = deque(self.plan.arrivals), []
        left, begin = len(due), time.monotonic()
        give_up = (self.plan.arrivals[-1][0] if due else 0) + self.plan.patience_seconds
        now, cleaned = 0.0, 0.0
        while left:
            now = time.monotonic() - begin
            if now > give_up:
                break
            if now > cleaned + CLEAN_SECONDS:
                self._remove_unused_triggers()
                cleaned = now
            self._defer(due, now)
            for ti in self._take_up():
                self.waits[ti] = now - self.arrived[ti]
                heappush(ends, (now + self.runtimes[ti], ti))
            left -= self._end(ends, now)
            time.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - begin - now)))
        return {"makespan_s": now, "unfinished": left, "late_s": self.late, "waits": self.waits}

    def _defer(self, due: deque[tuple[float, str, int, float]], now: float) -> None:
        batch = []
        while due and due[0][0] <= now:
            at, ti, kwargs, _ = due.popleft()
            self.late = max(self.late, now - at)
            batch.append((ti, self.plan.kwargs[kwargs]))
        if not batch:
            return
        made = execute_values(
            self.cursor,
            "INSERT INTO trigger (classpath, kwargs, created_date) "
            f"SELECT '{CLASSPATH}', v.k, clock_timestamp() FROM (VALUES %s) v(k) RETURNING id",
            [(text,) for _, text in batch],
            page_size=len(batch),
            fetch=True,
        )
        execute_values(
            self.cursor,
            "UPDATE task_instance SET state = 'deferred', trigger_id = v.trigger_id FROM (VALUES %s) "
            "v(ti, trigger_id) WHERE id = v.ti::uuid",
            [(ti, row[0]) for (ti, _), row in zip(batch, made, strict=True)],
            page_size=len(batch),
        )

    def _remove_unused_triggers(self) -> None:
        self.cursor.execute(
            "DELETE FROM trigger WHERE NOT EXISTS "
            "(SELECT 1 FROM task_instance WHERE task_instance.trigger_id = trigger.id)"
        )

    def _take_up(self) -> list[str]:
        self.cursor.execute(
            "UPDATE task_instance SET state = 'running' WHERE state = 'scheduled' RETURNING id::text"
        )
        return [row[0] for row in self.cursor.fetchall()]

    def _end(self, ends: list[tuple[float, str]], now: float) -> int:
        over = []
        while ends and ends[0][0] <= now:
            over.append(heappop(ends)[1])
        if over:
            self.cursor.execute(
                "UPDATE task_instance SET state = 'success', end_date = now() WHERE id = ANY(%s::uuid[])",
                (over,),
            )
        return len(over)


def main() -> None:
    """Play the plan on standard input."""
    workers = Workers(Plan(**json.loads(sys.stdin.readline())))
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(workers.run()), flush=True)


if __name__ == "__main__":
    main()
