# SPDX-License-Identifier: Apache-2.0
"""Limits on how many jobs are admitted at a time, and who waits for whom then."""

from __future__ import annotations

import pytest

from airflow_priority_spark.store import reads
from airflow_priority_spark.store.explanation import read_facts
from airflow_priority_spark.store.sentences import explain
from tests import builders
from tests.unit.arbiter.site import make_dag, open_queue, pool_row, set_cluster, set_pool, set_queue, set_site
from tests.unit.arbiter.world import World

TINY = builders.make_demand(cpu="100m", executors=0)


def defer(world: World, task_id: str, user: str = "alice", dag_id: str = "etl", **fields) -> None:
    """Let a task of a user's run defer."""
    world.defer(task_id, demand=TINY, user=user, run_id=f"run-of-{user}", dag_id=dag_id, **fields)


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        (lambda world: set_pool(world, job_limit=2), "pool team-a/normal has 2 of 2 jobs admitted"),
        (lambda world: set_queue(world, job_limit=2), "queue team-a has 2 of 2 jobs admitted"),
        (lambda world: set_cluster(world, job_limit=2), "has 2 of 2 jobs admitted"),
        (lambda world: set_site(world, job_limit=2), "the site has 2 of 2 jobs admitted"),
    ],
    ids=["pool", "queue", "cluster", "site"],
)
def test_a_limit_of_a_place_stops_it_until_a_job_has_ended(world, limit, sentence):
    open_queue(world)
    limit(world)
    for name in ("a", "b", "c", "d"):
        defer(world, name)
    world.cycle(3)
    assert world.admitted() == ["a", "b"]
    waiting = world.job("c")
    assert (waiting.state, waiting.ineligible) == ("queued", "limit")
    assert sentence in waiting.ineligible_detail
    assert waiting.blocking_resource is None, "it is not capacity that it waits for"
    world.start("a")
    world.end("a")
    world.cycle(2)
    assert world.admitted() == ["a", "b", "c"]
    assert world.job("c").ineligible is None


def test_the_configuration_limits_a_site_that_has_set_nothing(database):
    world = World(database, job_limit=1)
    defer(world, "a")
    defer(world, "b")
    world.cycle(2)
    assert world.admitted() == ["a"]


def test_a_limit_of_one_pool_lets_the_other_go_on(world):
    open_queue(world)
    set_pool(world, "high", job_limit=1)
    for name, pool in (("a", "high"), ("b", "high"), ("c", "normal"), ("d", "normal")):
        defer(world, name, priority=pool)
    world.cycle()
    assert set(world.admitted()) == {"a", "c", "d"}


def test_later_jobs_of_others_pass_those_over_a_users_limit(world):
    open_queue(world)
    set_site(world, job_limit_per_user=2)
    for name in ("a1", "a2", "a3", "a4"):
        defer(world, name, "alice")
    defer(world, "b1", "bob")
    world.cycle()
    assert world.admitted() == ["a1", "a2", "b1"]
    assert world.job("a3").ineligible_detail == "user alice has 2 of 2 jobs admitted"
    world.start("a1")
    world.end("a1")
    world.cycle(2)
    assert world.admitted() == ["a1", "a2", "b1", "a3"], "in order among themselves"


def test_ever_so_many_jobs_over_a_limit_hide_nobody(world):
    """Far more than a cycle reads of a pool stand before bob's only job."""
    open_queue(world)
    set_site(world, job_limit_per_user=1)
    for number in range(60):
        defer(world, f"a{number:02}", "alice")
    defer(world, "b", "bob")
    world.cycle()
    assert world.admitted() == ["a00", "b"], "in the very cycle in which alice reaches her limit"
    world.cycle(3)
    assert world.admitted() == ["a00", "b"]


def says(world: World, task_id: str) -> str:
    """Return what is said about a job, as one text."""
    with world.database.session() as session:
        facts = read_facts(session, world.job(task_id).id, world.loop.settings, world.now)
        return " ".join(explain(facts).says)


def test_every_job_over_a_users_limit_says_so_however_far_behind_it_stands(world):
    """The last ones are never read by a cycle, so nothing is written at them."""
    open_queue(world)
    set_site(world, job_limit_per_user=1)
    for number in range(30):
        defer(world, f"a{number:02}", "alice")
    defer(world, "b1", "bob")
    world.cycle(3)
    passed = "It is passed over (limit: user alice has 1 of 1 jobs admitted); others behind it may go."
    assert passed in says(world, "a01")
    assert world.job("a29").ineligible is None
    assert passed in says(world, "a29")


def stand_before_bob(world: World) -> None:
    """Let alice's jobs, one of which is admitted, stand before the one of bob, for which there is no room."""
    open_queue(world)
    set_site(world, job_limit_per_user=1)
    for number in range(30):
        defer(world, f"a{number:02}", "alice")
    world.defer("big", demand=builders.make_demand(executors=5), user="bob", run_id="run-of-bob")
    world.cycle(3)


def test_a_job_behind_those_over_a_limit_is_said_to_be_the_head(world):
    stand_before_bob(world)
    assert world.job("big").verdict is not None
    assert "It is blocked" in says(world, "big")
    set_site(world, job_limit_per_user=2)
    assert "Only the head of a pool is admitted; it is etl/run-of-alice/a01" in says(world, "a29")


def test_a_job_is_not_said_to_be_over_a_limit_that_has_room_again(world):
    open_queue(world)
    set_site(world, job_limit_per_user=1)
    for number in range(10):
        defer(world, f"a{number}", "alice")
    world.cycle(3)
    assert world.job("a9").ineligible == "limit", "it was among the first when the limit was reached"
    set_site(world, job_limit_per_user=5)
    assert "passed over" not in says(world, "a9")


def listed(world: World) -> dict[str, reads.JobSummary]:
    """Return each job as lists show it."""
    with world.database.session() as session:
        people = reads.limits_now(session, world.loop.settings)
        return {job.task.task_id: job for job in reads.list_jobs(session, world.now, people=people).jobs}


def head(world: World) -> str | None:
    """Return whom the card of the queue names as the head of its pool."""
    with world.database.session() as session:
        people = reads.limits_now(session, world.loop.settings)
        (queue,) = reads.list_queues(session, world.now, people=people)
        (found,) = [pool.head for pool in queue.pools if pool.name == "normal"]
        return found.task.task_id if found else None


def test_lists_and_cards_see_who_is_over_a_limit_as_a_decision_does(world):
    stand_before_bob(world)
    said = listed(world)
    assert {said[f"a{number:02}"].sentence for number in range(1, 30)} == {
        "limit: user alice has 1 of 1 jobs admitted"
    }, "also of those that no cycle has read"
    assert (head(world), said["big"].sentence.split(":")[0]) == ("big", "cpu")
    set_site(world, job_limit_per_user=2)
    assert (head(world), listed(world)["a05"].sentence) == ("a01", "behind 4 of its priority pool")


def test_one_that_was_blocked_before_it_came_to_be_over_a_limit_is_not_said_to_be_blocked(world):
    open_queue(world)
    defer(world, "b", "bob")
    world.defer("big", demand=builders.make_demand(executors=5), user="alice", run_id="run-of-alice")
    world.cycle(2)
    assert world.job("big").verdict is not None
    defer(world, "a", "alice", priority="high")
    world.cycle(2)
    set_site(world, job_limit_per_user=1)
    big = listed(world)["big"]
    assert (big.sentence, big.blocking_resource, big.verdict, big.ineligible) == (
        "limit: user alice has 1 of 1 jobs admitted",
        None,
        None,
        "limit",
    )


@pytest.mark.parametrize("limit", ["job_limit_per_service", "job_limit_per_user_service"])
def test_jobs_over_a_services_limit_say_so_too(world, limit):
    make_dag(world, "reports", tags=("service:reports",))
    open_queue(world)
    set_site(world, **{limit: 1})
    for number in range(30):
        defer(world, f"r{number:02}", dag_id="reports")
    world.cycle(2)
    assert world.job("r29").ineligible is None
    assert "1 of 1 jobs" in says(world, "r29")
    assert "reports" in says(world, "r29")


def test_no_clock_runs_for_a_job_over_a_users_limit(world):
    open_queue(world)
    set_site(world, job_limit_per_user=1, head_timeout_seconds=10)
    defer(world, "a1")
    defer(world, "a2")
    world.cycle()
    world.start("a1")
    world.cycle(3, seconds=100)
    assert world.job("a2").state == "queued"
    assert pool_row(world).head_timeout_since is None


def test_jobs_of_nobody_in_particular_have_no_user_limit(world):
    """A scheduled DAG run was triggered by no user."""
    open_queue(world)
    set_site(world, job_limit_per_user=1)
    for name in ("a", "b", "c"):
        world.defer(name, demand=TINY, user=None, run_id="scheduled")
    world.cycle()
    assert world.admitted() == ["a", "b", "c"]


def test_a_service_is_named_by_the_first_tag_of_the_dag_with_the_prefix(world):
    make_dag(world, "reports", tags=("service:reports", "nightly", "service:zebra"))
    make_dag(world, "plain", tags=("nightly",))
    defer(world, "a", dag_id="reports")
    defer(world, "b", dag_id="plain")
    world.cycle()
    assert (world.job("a").service, world.job("b").service) == ("reports", None)
    assert world.job("a").tags == ["nightly", "service:reports", "service:zebra"]


def test_a_site_may_name_services_by_other_tags(database):
    world = World(database, service_tag_prefix="svc-")
    make_dag(world, "reports", tags=("service:no", "svc-reports"))
    defer(world, "a", dag_id="reports")
    world.cycle()
    assert world.job("a").service == "reports"


def test_later_jobs_of_others_pass_those_over_a_services_limit(world):
    make_dag(world, "reports", tags=("service:reports",))
    make_dag(world, "loads", tags=("service:loads",))
    open_queue(world)
    set_site(world, job_limit_per_service=1)
    for name in ("r1", "r2"):
        defer(world, name, dag_id="reports")
    defer(world, "l1", dag_id="loads")
    defer(world, "none", dag_id="etl")
    world.cycle()
    assert world.admitted() == ["r1", "l1", "none"]
    assert world.job("r2").ineligible_detail == "service reports has 1 of 1 jobs admitted"


def test_a_users_limit_in_a_service_concerns_nobody_else_and_nothing_else(world):
    make_dag(world, "reports", tags=("service:reports",))
    make_dag(world, "loads", tags=("service:loads",))
    open_queue(world)
    set_site(world, job_limit_per_user_service=1)
    defer(world, "alice reports", "alice", "reports")
    defer(world, "alice reports again", "alice", "reports")
    defer(world, "alice loads", "alice", "loads")
    defer(world, "bob reports", "bob", "reports")
    world.cycle()
    assert world.admitted() == ["alice reports", "alice loads", "bob reports"]
    assert "alice" in world.job("alice reports again").ineligible_detail
    assert "reports" in world.job("alice reports again").ineligible_detail


def test_at_most_batch_size_jobs_are_admitted_per_cycle(world):
    open_queue(world)
    set_site(world, batch_size=3)
    for number in range(8):
        defer(world, f"t{number}")
    admitted = [world.cycle().admitted for _ in range(4)]
    assert admitted == [3, 3, 2, 0]


def test_a_batch_may_be_larger_than_what_is_read_of_a_pool_at_first(world):
    open_queue(world)
    set_site(world, batch_size=50)
    for number in range(45):
        defer(world, f"t{number:02}")
    world.cycle()
    assert world.admitted() == [f"t{number:02}" for number in range(45)]
