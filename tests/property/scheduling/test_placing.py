# SPDX-License-Identifier: Apache-2.0
"""Who is admitted fits, by somebody else's reckoning; and memory changes nothing."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.memory import forget
from airflow_priority_spark.scheduling.model import describe_blocked
from tests.property.scheduling.checker import accepts
from tests.property.scheduling.social_checker import some_placement_exists
from tests.property.scheduling.social_strategies import social_snapshots
from tests.property.scheduling.strategies import snapshots

NOW = 1000.0
thorough = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def started(picture, decisions):
    jobs = {job.job_id: job for job in picture.jobs}
    return [jobs[admission.job_id] for admission in decisions.admissions]


@thorough
@given(social_snapshots())
def test_the_pods_of_admitted_jobs_can_be_bound_in_order_with_all_that_they_and_others_require(picture):
    jobs = started(picture, decide(picture, NOW))
    assert some_placement_exists(picture.clusters[0], jobs, accepts)


@thorough
@given(social_snapshots(jobs=st.just(1)))
def test_what_is_impossible_has_no_placement_even_on_empty_nodes(picture):
    decisions = decide(picture, NOW)
    cluster = picture.clusters[0]
    empty = replace(cluster, pods=(), nodes=tuple(replace(node, ready=True) for node in cluster.nodes))
    for job in picture.jobs:
        if job.job_id in decisions.impossible:
            assert not some_placement_exists(empty, [job], accepts)


@thorough
@given(social_snapshots(jobs=st.just(1)))
def test_who_is_refused_says_why_and_on_a_few_nodes_rightly(picture):
    decisions = decide(picture, NOW)
    for verdict in decisions.blocked.values():
        assert describe_blocked(verdict)
        assert not some_placement_exists(picture.clusters[0], picture.jobs, accepts)


@st.composite
def histories(draw):
    """Return pictures of one cluster, each a little different from the one before."""
    of = st.one_of(snapshots(with_unchecked=True), social_snapshots())
    pictures = [draw(of)]
    for _ in range(draw(st.integers(1, 4))):
        last, fresh = pictures[-1], draw(of)
        cluster, other = last.clusters[0], fresh.clusters[0]
        if cluster.cluster_id != other.cluster_id:
            pictures.append(fresh)
            continue
        pods = tuple(pod for pod in cluster.pods if draw(st.booleans())) + other.pods[:1]
        changed = replace(
            cluster,
            pods=pods if draw(st.booleans()) else cluster.pods,
            nodes=draw(st.sampled_from((cluster.nodes, other.nodes))),
            quotas=draw(st.sampled_from((cluster.quotas, other.quotas))),
            limit_ranges=draw(st.sampled_from((cluster.limit_ranges, other.limit_ranges))),
        )
        pictures.append(replace(last, clusters=(changed,), jobs=fresh.jobs, queues=fresh.queues))
    return pictures


@thorough
@given(histories())
def test_what_is_remembered_from_one_decision_changes_nothing_in_the_next(pictures):
    forget()
    remembering = [decide(picture, NOW) for picture in pictures]
    for picture, decided in zip(pictures, remembering, strict=True):
        forget()
        assert decide(picture, NOW) == decided
