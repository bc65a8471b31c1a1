# SPDX-License-Identifier: Apache-2.0
"""What Kubernetes refuses after an admission teaches the next decision."""

from __future__ import annotations

import pytest

from tests import builders
from tests.unit.arbiter.world import World

SMALL = builders.make_demand(executors=1)  # 2 CPU of a quota of 6
LEARNED_SECONDS = 30.0


def refusal(*, pod: str = "etl-first-1-driver", requested: str = "1", used: str = "6") -> str:
    """Return the API server's whole sentence, as a worker passes it on."""
    return (
        f'stale quota: pods "{pod}" is forbidden: exceeded quota: quota, '
        f"requested: requests.cpu={requested}, used: requests.cpu={used}, limited: requests.cpu=6"
    )


@pytest.fixture
def world(database):
    return World(database, learned_seconds=LEARNED_SECONDS, batch_size=1)


@pytest.fixture
def refused(world):
    """The first of two jobs was admitted and refused: somebody else was faster, and the picture lags."""
    world.defer("first", demand=SMALL)
    world.defer("second", demand=SMALL)
    world.cycle()
    assert world.admitted() == ["first"]
    give_back(world, "first", refusal())
    world.cycle(3)
    return world


def give_back(world, task_id: str, reason: str) -> None:
    job = world.job(task_id)
    world.defer_again(task_id, builders.make_request(demand=SMALL, reason=reason, admission=job.admission))


def test_the_job_is_counted_and_back_at_its_position(refused):
    first, second = refused.job("first"), refused.job("second")
    assert (first.state, first.reschedules, first.admission) == ("queued", 1, 1)
    assert (first.position_at, first.position_id) < (second.position_at, second.position_id)
    assert f"queued: back at its position: {refusal()}" in refused.reasons(first)
    assert refused.grants() == {}, "it gave its room back"


def test_the_next_decision_counts_the_quota_as_used_as_the_refusal_said(refused):
    assert refused.job("first").verdict["sentence"] == "cpu: needs 2 CPU, 0 CPU free of quota quota"
    assert refused.admitted() == ["first"], "nobody passes it into the same refusal"


def test_a_report_of_the_quota_itself_is_believed_at_once(refused):
    refused.cluster.used["team-a"] = {"requests.cpu": "1"}
    refused.cycle(2)
    assert refused.job("first").admission == 2
    assert refused.admitted() == ["first", "first", "second"], "each at its position"


def test_without_a_report_it_is_believed_no_longer_than_the_site_says(refused):
    refused.cycle(seconds=LEARNED_SECONDS)
    assert refused.admitted() == ["first", "first"]


def test_a_successor_of_the_arbiter_knows_it_too(refused):
    refused.loop.leadership.release()
    refused.loop = refused.arbiter("arbiter-2", learned_seconds=LEARNED_SECONDS)
    refused.cycle(2)
    assert refused.job("first").verdict["free"] == 0
    assert refused.admitted() == ["first"]


def test_a_pod_larger_than_declared_is_charged_as_large_as_it_is_from_then_on(world):
    """An admission webhook has put a container of 3 CPU into the driver; others use 3 CPU."""
    world.cluster.used["team-a"] = {"requests.cpu": "3"}
    world.defer("first", demand=SMALL)
    world.cycle()
    give_back(world, "first", refusal(requested="4", used="3"))
    world.cycle(2)
    job = world.job("first")
    assert (job.state, job.reschedules, job.exceeds_demand) == ("queued", 1, True)
    assert job.verdict["sentence"] == "cpu: needs 5 CPU, 3 CPU free of quota quota"
    assert any(
        "pod etl-first-1-driver asked for more than the job declared" in text for text in world.reasons(job)
    )
    world.cluster.used["team-a"] = {"requests.cpu": "1"}
    world.cycle()
    assert (world.job("first").state, world.job("first").admission) == ("admitted", 2)
    (grant,) = world.grants().values()
    assert grant.demand["pod_sets"][0]["requests"]["cpu"] == 4000


def test_a_text_that_is_no_refusal_of_a_quota_teaches_nothing(world):
    world.defer("first", demand=SMALL)
    world.cycle()
    give_back(world, "first", "stale quota: failed to validate resource quota")
    world.cycle(2)
    assert (world.job("first").state, world.job("first").admission) == ("admitted", 2)
