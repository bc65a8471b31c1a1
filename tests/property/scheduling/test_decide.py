# SPDX-License-Identifier: Apache-2.0
"""What must hold for one decision, whatever the picture."""

import copy
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import describe_blocked
from tests.property.scheduling.checker import over_committed_quotas, some_placement_exists
from tests.property.scheduling.strategies import odd_snapshots, snapshots

NOW = 1000.0
thorough = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def admitted_jobs(picture, decisions):
    by_id = {job.job_id: job for job in picture.jobs}
    return [by_id[admission.job_id] for admission in decisions.admissions]


@thorough
@given(snapshots())
def test_no_quota_is_over_committed(picture):
    jobs = admitted_jobs(picture, decide(picture, NOW))
    assert over_committed_quotas(picture.clusters[0], picture.grants, jobs) == []


@thorough
@given(snapshots())
def test_no_declared_capacity_is_over_committed(picture):
    jobs = admitted_jobs(picture, decide(picture, NOW))
    for queue in picture.queues:
        mine = [job.demand.total() for job in jobs if job.queue == queue.key]
        for key, hard in (queue.capacity or {}).items():
            assert sum(total[key] for total in mine) <= hard


@thorough
@given(snapshots())
def test_all_pods_of_all_admitted_jobs_find_nodes_at_once(picture):
    cluster = picture.clusters[0]
    if cluster.mode == "quota" or not cluster.fixed_nodes:
        return
    jobs = admitted_jobs(picture, decide(picture, NOW))
    assert not jobs or some_placement_exists(cluster, [job.demand for job in jobs])


@thorough
@given(snapshots())
def test_a_pool_is_first_in_first_out(picture):
    decisions = decide(picture, NOW)
    order = [admission.job_id for admission in decisions.admissions]
    for queue in picture.queues:
        for pool in queue.pools:
            line = sorted(
                (
                    job
                    for job in picture.jobs
                    if (job.queue, job.pool) == (queue.key, pool.name)
                    and job.ineligible is None
                    and job.job_id not in decisions.impossible
                ),
                key=lambda job: (job.position, job.job_id),
            )
            started = [job_id for job_id in order if job_id in {job.job_id for job in line}]
            assert started == [job.job_id for job in line][: len(started)]


@thorough
@given(snapshots())
def test_every_head_that_was_looked_at_and_did_not_start_says_why(picture):
    decisions = decide(picture, NOW)
    if len(decisions.admissions) >= picture.rules.batch_size:
        return
    for queue in picture.queues:
        for pool in queue.pools:
            state = decisions.pools[queue.key, pool.name]
            if state.head_id is not None and not queue.paused:
                verdict = decisions.blocked[state.head_id]
                assert state.head_blocked_since is not None
                assert str(verdict.resource) in describe_blocked(verdict)


@thorough
@given(snapshots(with_unchecked=True), st.randoms(use_true_random=False))
def test_the_order_in_which_a_snapshot_lists_things_does_not_matter(picture, rng):
    def shuffled(parts):
        return tuple(rng.sample(parts, len(parts)))

    cluster = picture.clusters[0]
    other = replace(
        picture,
        clusters=(
            replace(
                cluster,
                nodes=shuffled(cluster.nodes),
                pods=shuffled(cluster.pods),
                quotas=shuffled(cluster.quotas),
            ),
        ),
        queues=tuple(replace(queue, pools=shuffled(queue.pools)) for queue in shuffled(picture.queues)),
        jobs=shuffled(picture.jobs),
        grants=shuffled(picture.grants),
    )
    assert decide(other, NOW) == decide(picture, NOW) == decide(copy.deepcopy(picture), NOW)


@thorough
@given(odd_snapshots(), st.sampled_from((0.0, NOW, -5.0, float("inf"), float("nan"))))
def test_it_never_raises_and_says_something_about_every_pool(picture, now):
    before = copy.deepcopy(picture)
    decisions = decide(picture, now)
    assert picture == before
    assert set(decisions.pools) == {
        (queue.key, pool.name) for queue in picture.queues for pool in queue.pools
    }
    for verdict in (*decisions.blocked.values(), *(found.why for found in decisions.impossible.values())):
        assert describe_blocked(verdict)


@thorough
@given(snapshots())
def test_what_is_impossible_does_not_fit_an_empty_cluster(picture):
    decisions = decide(picture, NOW)
    jobs = {job.job_id: job for job in picture.jobs}
    cluster = picture.clusters[0]
    empty = replace(cluster, pods=(), nodes=tuple(replace(node, ready=True) for node in cluster.nodes))
    for job_id, found in decisions.impossible.items():
        if found.why.resource == "placement":
            assert not some_placement_exists(empty, [jobs[job_id].demand])
