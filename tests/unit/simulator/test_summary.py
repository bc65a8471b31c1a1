# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_priority_spark.simulator.run import simulate
from airflow_priority_spark.simulator.summary import compare, job_lines, summarize, wait_figures
from tests.unit.simulator.sites import job, queue, site, ticks

ONE_CPU = site(queue(cpu=1))


def test_the_figures_of_a_run():
    jobs = [job("a"), job("b", 1), job("huge", 2, cpu=2)]
    assert summarize(ONE_CPU, simulate(ONE_CPU, jobs), wall_seconds=0.25) == {
        "makespan_s": 20.0,
        "usage_pct": {"team-a": 100.0},
        "admitted": 2,
        "cancelled": 1,
        "wait_s": {
            "team-a": {
                "high": None,
                "normal": {"mean": 4.5, "p50": 0.0, "p95": 9.0, "p99": 9.0, "max": 9.0},
            }
        },
        # a is admitted; b is blocked, and once more when huge arrives; huge is impossible; b is admitted.
        "decisions": 5,
        "wall_s": 0.25,
    }


def test_a_percentile_is_the_smallest_wait_that_so_many_percent_do_not_exceed():
    figures = wait_figures([ticks(number) for number in range(1, 201)])
    assert figures == {"mean": 100.5, "p50": 100.0, "p95": 190.0, "p99": 198.0, "max": 200.0}
    assert wait_figures([ticks(7)]) == {"mean": 7.0, "p50": 7.0, "p95": 7.0, "p99": 7.0, "max": 7.0}


def test_a_line_for_each_job_in_order_of_arrival():
    outcome = simulate(ONE_CPU, [job("a"), job("huge", 2, cpu=2)])
    assert list(job_lines(outcome.jobs)) == [
        {
            "id": "a",
            "namespace": "team-a",
            "pool": "normal",
            "arrived": 0.0,
            "admitted": 0.0,
            "finished": 10.0,
            "reason": None,
        },
        {
            "id": "huge",
            "namespace": "team-a",
            "pool": "normal",
            "arrived": 2.0,
            "admitted": None,
            "finished": 2.0,
            "reason": "could never start: cpu: needs 2 CPU, 1 CPU free of quota team-a "
            "(even when nothing else runs)",
        },
    ]


def test_a_comparison_says_both_and_the_change():
    jobs = [job("a"), job("b")]
    two = site(queue(cpu=2, pools={"normal": 1}))
    found = compare(
        summarize(ONE_CPU, simulate(ONE_CPU, jobs), 0.0), summarize(two, simulate(two, jobs), 0.0)
    )
    assert (found["workload"]["makespan_s"], found["other"]["makespan_s"]) == (20.0, 10.0)
    assert found["change"]["makespan_s"] == -10.0
    assert found["change"]["wait_s"]["team-a"]["normal"]["mean"] == -5.0
    assert found["change"]["wait_s"]["team-a"]["high"] is None
