# SPDX-License-Identifier: Apache-2.0
"""Rule 11: pools list who may use them, rules of the site assign pools, and a job that uses more than it
declared is charged for it and flagged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_priority_spark.scheduling.resources import Resources
from tests import builders
from tests.unit.arbiter.site import add_rule, make_dag, open_queue, set_pool, told
from tests.unit.arbiter.world import World

SMALL = builders.make_demand(executors=1)


@pytest.fixture
def site(world):
    """A queue, and a DAG ``reports`` of team ``sales`` with the tag ``nightly``."""
    open_queue(world)
    make_dag(world, "reports", tags=("nightly",), team="sales")
    return world


def defer(world: World, task_id: str = "task", dag_id: str = "reports", priority: str = "high", **fields):
    world.defer(task_id, dag_id=dag_id, demand=SMALL, priority=priority, **fields)
    world.cycle()


@pytest.mark.parametrize("allowed", [None, {}, {"teams": [], "tags": []}])
def test_by_default_anyone_may_use_a_pool(site, allowed):
    set_pool(site, "high", allowed=allowed)
    defer(site, "a", "unheard-of")
    assert site.job("a").pool == "high"


@pytest.mark.parametrize(
    "allowed",
    [
        {"teams": ["sales"]},
        {"bundles": ["bundle of sales"]},
        {"dag_ids": ["reports"]},
        {"dag_ids": ["rep*"]},
        {"tags": ["nightly"]},
        {"teams": ["others"], "tags": ["night*"]},
    ],
    ids=["team", "bundle", "dag id", "pattern", "tag", "any one of the lists"],
)
def test_a_pool_lists_the_teams_bundles_dag_ids_or_tags_allowed_in_it(site, allowed):
    set_pool(site, "high", allowed=allowed)
    defer(site)
    assert (site.job("task").pool, site.job("task").state) == ("high", "admitted")


@pytest.mark.parametrize(
    ("allowed", "named"),
    [
        ({"teams": ["finance"]}, "team finance"),
        ({"bundles": ["other"]}, "bundle other"),
        ({"dag_ids": ["etl", "load*"]}, "DAG etl, load*"),
        ({"tags": ["hourly"]}, "tag hourly"),
    ],
    ids=["team", "bundle", "dag id", "tag"],
)
def test_who_is_not_listed_is_refused_with_who_he_is_and_who_may(site, allowed, named):
    set_pool(site, "high", allowed=allowed)
    defer(site)
    assert site.jobs("task") == []
    event = told(site, "task")
    assert event.outcome == "impossible"
    assert event.reason.startswith("priority pool team-a/high is not open to DAG reports")
    assert event.reason.endswith(f"allowed: {named}")


@pytest.mark.parametrize(
    "lists",
    [
        {"dag_ids": ["rep*"]},
        {"tags": ["nightly"]},
        {"teams": ["sales"]},
        {"bundles": ["bundle of *"]},
        {"dag_ids": ["reports"], "tags": ["nightly"], "namespace": "team-a"},
        {},
    ],
    ids=["dag id pattern", "tag", "team", "bundle", "all of them", "everybody"],
)
def test_a_rule_assigns_a_pool_whatever_the_dag_asks_for(site, lists):
    add_rule(site, 1, "normal", **lists)
    defer(site)
    job = site.job("task")
    assert job.pool == "normal"
    assert "a rule gives it this pool; it asks for high" in site.reasons(job)[0]


@pytest.mark.parametrize(
    "lists",
    [{"dag_ids": ["etl"]}, {"tags": ["nightly"], "teams": ["finance"]}, {"namespace": "team-b"}],
    ids=["another DAG", "one list of two", "another queue"],
)
def test_a_rule_that_does_not_fit_leaves_the_pool_that_was_asked_for(site, lists):
    add_rule(site, 1, "normal", **lists)
    defer(site)
    assert site.job("task").pool == "high"


def test_the_first_rule_that_fits_decides(site):
    add_rule(site, 2, "high", dag_ids=["reports"])
    add_rule(site, 1, "normal", tags=["nightly"])
    defer(site, priority="high")
    assert site.job("task").pool == "normal"


def test_a_rule_that_gives_a_pool_the_queue_does_not_have_is_named_by_its_number(site):
    add_rule(site, 1, "urgent", dag_ids=["other"])
    add_rule(site, 2, "urgent", dag_ids=["reports"])
    defer(site)
    reason = told(site, "task").reason
    assert "pool of rule 2" in reason
    assert "urgent" in reason
    assert "high, normal" in reason


def test_a_rule_cannot_give_a_pool_that_is_not_open_to_the_job(site):
    set_pool(site, "normal", allowed={"teams": ["finance"]})
    add_rule(site, 1, "normal", dag_ids=["reports"])
    defer(site)
    assert "priority pool team-a/normal is not open to DAG reports" in told(site, "task").reason


def _grow(world: World, cpu: int) -> None:
    """Let the driver be larger than the job declared, as a webhook makes it that adds a container."""
    driver, *others = world.cluster.pods
    world.cluster.pods = [replace(driver, requests=Resources({**driver.requests, "cpu": cpu})), *others]


def test_a_job_whose_pods_exceed_its_declared_demand_is_charged_what_they_use_and_flagged(world):
    world.defer("first", demand=SMALL)
    world.cycle()
    world.start("first")
    _grow(world, 4000)
    world.defer("second", demand=SMALL)
    world.cycle()
    first, second = world.job("first"), world.job("second")
    assert first.exceeds_demand is True
    assert any("cpu 5 CPU (declared 2 CPU)" in reason for reason in world.reasons(first))
    assert second.verdict["sentence"].startswith("cpu: needs 2 CPU, 1 CPU free"), "5 of 6 are used"
    world.cycle()
    flags = [text for text in world.reasons(world.job("first")) if "more than it declared" in text]
    assert len(flags) == 1, "it is said once"


def test_a_job_whose_pods_are_what_it_declared_is_not_flagged(world):
    world.defer("first", demand=SMALL)
    world.cycle()
    world.start("first")
    world.cycle(2)
    assert world.job("first").exceeds_demand is False
