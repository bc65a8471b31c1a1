# SPDX-License-Identifier: Apache-2.0
"""Small schedules that can be computed by hand."""

from __future__ import annotations

import pytest

from airflow_priority_spark.simulator.outcome import Fate
from airflow_priority_spark.simulator.run import simulate
from tests.unit.simulator.sites import job, nodes, queue, schedule, site


def reason(outcome, job_id):
    return next(record.reason for record in outcome.jobs if record.job_id == job_id)


def test_a_job_that_fits_starts_when_it_arrives_and_ends_after_its_runtime():
    outcome = simulate(site(), [job("one", 3, runtime=7)])
    assert schedule(outcome) == {"one": (3, 10)}
    assert outcome.makespan == 10_000_000
    assert [record.fate for record in outcome.jobs] == [Fate.FINISHED]


def test_what_does_not_fit_waits_for_the_first_that_ends():
    outcome = simulate(site(queue(cpu=4)), [job("a", cpu=3), job("b", 1, cpu=2), job("c", 2, cpu=1)])
    # c stands behind b in its pool, although it would fit.
    assert schedule(outcome) == {"a": (0, 10), "b": (10, 20), "c": (10, 20)}


def test_room_that_is_freed_at_an_instant_is_there_for_what_arrives_at_it():
    outcome = simulate(site(queue(cpu=1)), [job("a"), job("b", 10)])
    assert schedule(outcome) == {"a": (0, 10), "b": (10, 20)}


def test_another_pool_goes_past_a_blocked_head():
    arrivals = [job("a", cpu=3), job("big", 1, cpu=4, pool="high"), job("small", 2, cpu=1, runtime=2)]
    assert schedule(simulate(site(queue(cpu=4)), arrivals)) == {
        "a": (0, 10),
        "big": (10, 20),
        "small": (2, 4),
    }


def test_a_head_that_has_been_blocked_for_the_protection_time_holds_the_others_back():
    arrivals = [job("a", cpu=3), job("big", 1, cpu=4, pool="high")]
    arrivals += [job(f"small-{at}", at, cpu=1, runtime=4) for at in (2, 4, 5, 6)]
    found = schedule(simulate(site(queue(cpu=4), protection=4), arrivals))
    # Blocked at 1, the head protects from 5 on: what came at 4 waits behind the one of 2 until then.
    assert found == {
        "a": (0, 10),
        "small-2": (2, 6),
        "big": (10, 20),
        "small-4": (20, 24),
        "small-5": (20, 24),
        "small-6": (20, 24),
    }


def test_time_is_exact_where_floating_point_is_not():
    """4.1 - 3.1 is less than one second as a float: the head would protect an instant too late."""
    assert 4.1 - 3.1 < 1.0
    arrivals = [job("a", cpu=3), job("big", "3100ms", cpu=4, pool="high"), job("late", "4100ms", cpu=1)]
    found = schedule(simulate(site(queue(cpu=4), protection=1), arrivals))
    assert found["late"] == (20, 30)


def test_a_demand_that_no_state_could_satisfy_is_cancelled_at_once_with_its_numbers():
    outcome = simulate(site(queue(cpu=4)), [job("huge", 1, cpu=5), job("next", 1)])
    assert schedule(outcome) == {"huge": (None, 1), "next": (1, 11)}
    assert reason(outcome, "huge") == (
        "could never start: cpu: needs 5 CPU, 4 CPU free of quota team-a (even when nothing else runs)"
    )


def test_an_impossible_job_in_the_middle_of_the_line_is_found_when_it_arrives():
    outcome = simulate(site(queue(cpu=4)), [job("a", cpu=4), job("b", 1), job("huge", 2, cpu=5)])
    assert schedule(outcome)["huge"] == (None, 2)


def test_a_full_batch_is_followed_by_another_in_the_same_instant():
    many = [job(f"job-{number}") for number in range(7)]
    outcome = simulate(site(queue(cpu=10), batch_size=3), many)
    assert set(schedule(outcome).values()) == {(0, 10)}
    assert outcome.cycles == 4  # 3 + 3 + 1, and one when they have ended


def test_the_driver_and_all_executors_start_together_or_not_at_all():
    arrivals = [job("a", cpu=1, executors=2, runtime=10), job("b", 1, cpu=1, executors=1, runtime=10)]
    assert schedule(simulate(site(queue(cpu=4)), arrivals)) == {"a": (0, 10), "b": (10, 20)}


def test_queues_do_not_take_each_others_quota():
    two = (queue(cpu=1), queue(cpu=1, namespace="team-b"))
    outcome = simulate(site(*two), [job("a"), job("b", 1), job("c", 1, namespace="team-b")])
    assert schedule(outcome) == {"a": (0, 10), "b": (10, 20), "c": (1, 11)}


def test_pods_stay_where_they_are_until_their_job_ends():
    # Each node keeps one CPU for another job: three are free in all, and no node has two.
    arrivals = [job("long", executors=2, cpu=2, runtime=30), job("wide", 1, cpu=2)]
    outcome = simulate(site(queue(cpu=None), on=nodes(3, 3, 3)), arrivals)
    assert schedule(outcome) == {"long": (0, 30), "wide": (30, 40)}


def test_nodes_are_chosen_by_labels_and_taints():
    tainted = nodes(4, labels={"disk": "ssd"})
    arrivals = [job("anywhere", cpu=4), job("picky", cpu=2, pool="high", node_selector={"disk": "ssd"})]
    outcome = simulate(site(queue(cpu=None), on=(*tainted, *nodes(1)[:0])), arrivals)
    # The high job goes first, and only one node is there.
    assert schedule(outcome) == {"anywhere": (10, 20), "picky": (0, 10)}


def test_with_nodes_alone_the_smaller_share_goes_next():
    two = (queue(cpu=None), queue(cpu=None, namespace="team-b"))
    arrivals = [job(f"a-{n}") for n in range(4)] + [job(f"b-{n}", namespace="team-b") for n in range(2)]
    outcome = simulate(site(*two, on=nodes(4)), arrivals)
    assert [record.job_id for record in outcome.order[:4]] == ["a-0", "b-0", "a-1", "b-1"]


def test_usage_is_the_mean_of_the_most_used_resource_until_the_last_job_ended():
    outcome = simulate(
        site(queue(cpu=4), queue(cpu=4, namespace="idle")), [job("a", cpu=2), job("b", 10, cpu=4)]
    )
    assert outcome.makespan == 20_000_000
    assert outcome.usage_percent == {"team-a": pytest.approx(75.0), "idle": 0.0}


def test_without_a_quota_usage_is_measured_against_the_nodes():
    outcome = simulate(site(queue(cpu=None), on=nodes(4, 4)), [job("a", cpu=2)])
    assert outcome.usage_percent == {"team-a": pytest.approx(25.0)}


def test_where_nothing_limits_a_queue_it_has_no_usage():
    assert simulate(site(queue(cpu=None)), [job("a")]).usage_percent == {"team-a": None}


def test_nothing_to_do_takes_no_time():
    outcome = simulate(site(), [])
    assert (outcome.makespan, outcome.jobs, outcome.cycles) == (0, (), 0)


def test_a_job_that_takes_no_time_frees_its_room_in_the_same_instant():
    outcome = simulate(site(queue(cpu=1)), [job("a", runtime=0), job("b", runtime=0)])
    assert schedule(outcome) == {"a": (0, 0), "b": (0, 0)}
