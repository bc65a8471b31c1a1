# SPDX-License-Identifier: Apache-2.0
"""Leaving out queues that rest changes nothing, whatever has happened elsewhere meanwhile."""

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Grant, QuotaView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.scheduling.resting import resting
from tests.property.scheduling.strategies import snapshots

NOW = 1000.0
thorough = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


FULL = Resources({"requests.cpu": 10**6, "pods": 10**4})


def crowded(picture):
    """Fill the quota of a namespace, so that most pictures have a queue that may rest."""
    cluster = picture.clusters[0]
    quota = QuotaView("team-a", "full", FULL, FULL, frozenset(FULL))
    return replace(
        picture,
        clusters=(replace(cluster, quotas=(*cluster.quotas, quota)),),
        jobs=tuple(
            replace(job, ineligible=None, readmission=False) if job.queue.namespace == "team-a" else job
            for job in picture.jobs
        ),
    )


def applied(picture, decisions):
    """Return the picture once a decision has been made so."""
    gone = {admission.job_id for admission in decisions.admissions}
    gone |= {*decisions.impossible, *(timeout.job_id for timeout in decisions.timed_out)}
    admitted = [job for job in picture.jobs if job.job_id in gone - {*decisions.impossible}]
    return replace(
        picture,
        queues=tuple(
            replace(
                queue,
                pools=tuple(pool.with_state(decisions.pools[queue.key, pool.name]) for pool in queue.pools),
            )
            for queue in picture.queues
        ),
        jobs=tuple(job for job in picture.jobs if job.job_id not in gone),
        grants=(*picture.grants, *(Grant(job.job_id, job.queue, job.demand) for job in admitted)),
    )


def changed_elsewhere(picture, other, keys):
    """Return the picture with all that is not in these queues' namespaces as in another one."""
    spaces = {key.namespace for key in keys}
    cluster, strange = picture.clusters[0], other.clusters[0]

    def mixed(mine, theirs):
        kept = [part for part in mine if part.namespace in spaces]
        return (*kept, *(part for part in theirs if part.namespace not in spaces))

    others = {queue.key: queue for queue in other.queues if queue.key not in keys}
    return replace(
        picture,
        clusters=(
            replace(
                cluster,
                pods=mixed(cluster.pods, strange.pods),
                quotas=mixed(cluster.quotas, strange.quotas),
                limit_ranges=mixed(cluster.limit_ranges, strange.limit_ranges),
            ),
        ),
        queues=tuple(others.get(queue.key, queue) for queue in picture.queues),
        jobs=(
            *(job for job in picture.jobs if job.queue in keys),
            *(replace(job, job_id=f"new-{job.job_id}") for job in other.jobs if job.queue in others),
        ),
        grants=(
            *(grant for grant in picture.grants if grant.queue in keys),
            *(
                replace(grant, job_id=f"new-{grant.job_id}")
                for grant in other.grants
                if grant.queue in others
            ),
        ),
    )


@thorough
@given(
    snapshots() | snapshots().map(crowded), snapshots(with_unchecked=True), st.sampled_from((0.0, 1.0, 40.0))
)
def test_leaving_out_queues_that_rest_changes_no_decision(picture, other, later):
    before = decide(picture, NOW)
    found = resting(picture, before, NOW)
    assume(found)
    keys, now = frozenset(found), NOW + later
    assume(now < min(found.values()))
    after = changed_elsewhere(applied(picture, before), other, keys)
    resting_jobs = {job.job_id for job in after.jobs if job.queue in keys}
    some = replace(after, resting=keys, jobs=tuple(job for job in after.jobs if job.queue not in keys))
    whole, part = decide(after, now), decide(some, now)

    assert part.admissions == whole.admissions
    assert part.impossible == whole.impossible
    assert part.timed_out == whole.timed_out
    assert part.warnings == whole.warnings
    assert part.ineligible == whole.ineligible
    assert part.blocked == {job: why for job, why in whole.blocked.items() if job not in resting_jobs}
    # A batch may be used up before their turn comes; then nothing is said of them.
    assert all(before.blocked[job] == why for job, why in whole.blocked.items() if job in resting_jobs)
    for place, state in whole.pools.items():
        assert state == (before if place[0] in keys else part).pools[place]


@thorough
@given(snapshots() | snapshots().map(crowded))
def test_a_queue_that_admits_or_waits_for_nodes_does_not_rest(picture):
    decisions = decide(picture, NOW)
    found = resting(picture, decisions, NOW)
    for job in picture.jobs:
        verdict = decisions.blocked.get(job.job_id)
        if job.queue in found:
            assert job.ineligible is None
            assert not job.unchecked
            assert verdict is None or not verdict.by_nodes
    for queue in picture.queues:
        assert queue.key not in found or not queue.paused


@thorough
@given(snapshots(), st.sampled_from(("site", "cluster", "queue", "pool", "user")))
def test_nothing_rests_where_there_is_a_limit(picture, place):
    first, *others = picture.queues
    if place == "site":
        picture = replace(picture, rules=replace(picture.rules, limit=5))
    elif place == "user":
        picture = replace(picture, rules=replace(picture.rules, limit_per_user=5))
    elif place == "cluster":
        picture = replace(picture, clusters=(replace(picture.clusters[0], limit=5),))
    elif place == "queue":
        picture = replace(picture, queues=(replace(first, limit=5), *others))
    else:
        pools = (replace(first.pools[0], limit=5), *first.pools[1:])
        picture = replace(picture, queues=(replace(first, pools=pools), *others))
    assert resting(picture, decide(picture, NOW), NOW) == {}
