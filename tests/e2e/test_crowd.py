# SPDX-License-Identifier: Apache-2.0
"""Two hundred jobs wait for a namespace that has no room: what that costs Airflow.

That a cycle's statements do not grow with them is counted in ``tests/unit/arbiter``.
"""

from __future__ import annotations

from collections import Counter

import pytest
from airflow.models.trigger import Trigger
from sqlalchemy import func, select

from tests.e2e.work import until

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(420)]

CROWD = 200


def test_two_hundred_waiting_jobs_hold_no_trigger_no_worker_and_no_slot(start, witness, site):
    with witness.full("crowd"):
        run = start("crowd")

        def waiting() -> bool:
            return sum(job.state == "queued" and job.parked for job in run.jobs()) == CROWD

        until(waiting, lambda: f"{Counter(job.state for job in run.jobs())}", timeout=300)
        until(lambda: trigger_rows(site) == 0, lambda: f"{trigger_rows(site)} trigger rows are left")
        tasks = site.api.task_instances(run.dag_id, run.run_id)
        assert Counter(task["state"] for task in tasks) == {"deferred": CROWD}
        pool = site.api.request("GET", "/pools/default_pool")
        assert (pool["running_slots"], pool["queued_slots"]) == (0, 0)
        assert [job.blocking_resource for job in run.jobs()[:1]] == ["cpu"]

        site.api.set_run_state(run.dag_id, run.run_id, "failed")
        jobs = run.all_jobs_end()
        assert {job.state for job in jobs} == {"cancelled"}
    assert not run.applications()


def trigger_rows(site) -> int:
    """Count the triggers that any triggerer may be asked to run."""
    with site.database() as session:
        return session.scalar(select(func.count()).select_from(Trigger).where(Trigger.queue.is_(None)))
