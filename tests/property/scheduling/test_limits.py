# SPDX-License-Identifier: Apache-2.0
"""What must hold for one decision when limits, clocks and lines are added to the picture."""

import copy
from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Ineligible, describe_blocked, describe_timeout
from tests.property.scheduling.crowded import NOW, crowded, in_lines
from tests.property.scheduling.limited import limited
from tests.property.scheduling.strategies import odd_snapshots

PICTURES = st.integers(0, 2**32).map(crowded)
thorough = settings(max_examples=300, deadline=None)


def places(item):
    """Return everything a job or grant counts for."""
    yield "site"
    yield item.queue.cluster_id
    yield item.queue
    yield item.queue, item.pool
    if item.user:
        yield "user", item.user
    if item.service:
        yield "service", item.service
    if item.user and item.service:
        yield "user in service", item.user, item.service


def limits_of(picture):
    """Return every limit by what it counts."""
    rules, found = picture.rules, {}
    found["site"] = rules.limit
    found.update({cluster.cluster_id: cluster.limit for cluster in picture.clusters})
    for queue in picture.queues:
        found[queue.key] = queue.limit
        found.update({(queue.key, pool.name): pool.limit for pool in queue.pools})
    for user in ("ada", "bob"):
        found["user", user] = rules.limit_per_user
        found["user in service", user, "etl"] = rules.limit_per_user_service
    found["service", "etl"] = rules.limit_per_service
    return {place: limit for place, limit in found.items() if limit is not None}


@thorough
@given(PICTURES)
def test_no_limit_is_ever_exceeded_by_an_admission(picture):
    decisions = decide(picture, NOW)
    jobs = {job.job_id: job for job in picture.jobs}
    started = [jobs[admission.job_id] for admission in decisions.admissions]
    counts = Counter(place for item in (*picture.grants, *started) for place in places(item))
    for place, limit in limits_of(picture).items():
        if any(place in set(places(job)) for job in started if not job.unchecked):
            assert counts[place] <= limit


@thorough
@given(PICTURES)
def test_a_pool_is_first_in_first_out_but_for_those_passed_over(picture):
    decisions = decide(picture, NOW)
    aside = {timeout.job_id for timeout in decisions.timed_out} | set(decisions.ineligible)
    order = [admission.job_id for admission in decisions.admissions]
    for queue in picture.queues:
        for pool in queue.pools:
            line = sorted(
                (
                    job
                    for job in picture.jobs
                    if (job.queue, job.pool) == (queue.key, pool.name)
                    and job.ineligible is None
                    and not job.unchecked
                    and job.job_id not in {*decisions.impossible, *aside}
                ),
                key=lambda job: (job.position, job.job_id),
            )
            ids = [job.job_id for job in line]
            started = [job_id for job_id in order if job_id in set(ids)]
            assert started == ids[: len(started)]


@thorough
@given(PICTURES)
def test_every_head_says_why_it_did_not_start_capacity_or_a_limit(picture):
    decisions = decide(picture, NOW)
    limited_only = {job_id for job_id, (why, _) in decisions.ineligible.items() if why is Ineligible.LIMIT}
    assert not limited_only & set(decisions.blocked)
    full = {
        cluster.cluster_id
        for cluster in picture.clusters
        if sum(found.queue.cluster_id == cluster.cluster_id for found in decisions.admissions)
        >= picture.rules.batch_size
        or not cluster.fresh
    }
    for (key, _), state in decisions.pools.items():
        if state.head_id is not None and key.cluster_id not in full:
            assert (state.head_id in decisions.blocked) != (state.head_id in decisions.ineligible)
    for _, clause in decisions.ineligible.values():
        assert "admitted" in clause or "is paused" in clause


@thorough
@given(PICTURES)
def test_a_head_times_out_only_when_capacity_blocks_it_and_it_leaves_its_place_or_restarts(picture):
    decisions = decide(picture, NOW)
    views = {(queue.key, pool.name): pool for queue in picture.queues for pool in queue.pools}
    for timeout in decisions.timed_out:
        view = views[timeout.queue, timeout.pool]
        rules = view.head_rules or picture.rules.head_rules
        assert view.head_id == timeout.job_id
        assert timeout.reason_seconds >= rules.timeout_seconds > 0
        assert timeout.job_id not in {admission.job_id for admission in decisions.admissions}
        state = decisions.pools[timeout.queue, timeout.pool]
        if (timeout.action, timeout.position) == ("retry", "keep"):
            assert (state.head_id, state.head_timeout_since) == (timeout.job_id, NOW)
        else:
            assert state.head_id != timeout.job_id
        assert describe_timeout(timeout).startswith(f"blocked at the head of {timeout.queue.namespace}/")


@thorough
@given(PICTURES, st.randoms(use_true_random=False))
def test_the_order_in_which_a_snapshot_lists_things_does_not_matter(picture, rng):
    def shuffled(parts):
        return tuple(rng.sample(parts, len(parts)))

    other = replace(
        picture,
        queues=tuple(replace(queue, pools=shuffled(queue.pools)) for queue in shuffled(picture.queues)),
        jobs=shuffled(picture.jobs),
        grants=shuffled(picture.grants),
    )
    assert decide(other, NOW) == decide(picture, NOW) == decide(copy.deepcopy(picture), NOW)


@thorough
@given(PICTURES, st.randoms(use_true_random=False))
def test_lines_say_the_same_as_loose_jobs_unless_they_hide_an_impossible_one(picture, rng):
    chosen = {job.job_id for job in picture.jobs if rng.random() < 0.5}
    loose, lined = decide(picture, NOW), decide(in_lines(picture, chosen), NOW)
    hidden = set(loose.impossible) - set(lined.impossible)
    assert hidden <= chosen
    assert hidden or lined == loose


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(limited(odd_snapshots()), st.sampled_from((0.0, NOW, -5.0, float("inf"), float("nan"))))
def test_it_never_raises_and_says_something_about_every_pool(picture, now):
    decisions = decide(picture, now)
    assert set(decisions.pools) == {
        (queue.key, pool.name) for queue in picture.queues for pool in queue.pools
    }
    for verdict in decisions.blocked.values():
        assert describe_blocked(verdict)
    for found in (*decisions.timed_out, *decisions.warnings):
        assert describe_timeout(found)
