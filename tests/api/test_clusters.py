# SPDX-License-Identifier: Apache-2.0
"""What the clusters have, and the banner that says why nothing is admitted."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import update

from airflow_priority_spark.store.jobs import give_grant
from airflow_priority_spark.store.models import ArbiterState, Job, Queue
from airflow_priority_spark.store.snapshots import save_snapshot
from tests.api.conftest import LATER, Site
from tests.store.rows import CLUSTER

GIB = 2**30
QUOTA = {
    "namespace": "team-a",
    "name": "compute",
    "hard": {"requests.memory": 100 * GIB, "limits.memory": 200 * GIB},
    "used": {"requests.memory": 60 * GIB, "limits.memory": 80 * GIB},
}
NODES = {"count": 3, "ready": 2, "allocatable": {"cpu": 12000}, "requested": {"cpu": 9000}}
HOLES = [{"group": "m5.xlarge", "cpu": 1500, "memory": 4 * GIB}]


@pytest.fixture
def picture(site):
    """Return a function that shows the API another picture of the cluster."""

    def show(*, age: float = 1.0, **data) -> None:
        site.queue()
        taken = LATER - datetime.timedelta(seconds=age)
        whole = {"mode": "quota+nodes", "nodes": NODES, "quotas": [QUOTA], "largest_holes": HOLES, **data}
        with site.database.session() as session, session.begin():
            save_snapshot(session, CLUSTER, whole, taken)

    return show


def lead(site: Site, seconds: float = 10.0) -> None:
    until = LATER + datetime.timedelta(seconds=seconds)
    with site.database.session() as session, session.begin():
        session.execute(
            update(ArbiterState).values(holder="scheduler-0/42/1a2b3c4d", lease_until=until, epoch=3)
        )


def test_capacity_tells_what_is_left_of_a_quota_and_on_the_nodes(site, picture):
    picture(fixed_nodes=True)

    (cluster,) = site.get("/capacity").json()["clusters"]

    assert (cluster["cluster"], cluster["mode"], cluster["fresh"]) == ("spark-prod", "quota+nodes", True)
    assert (cluster["taken_at"], cluster["age_seconds"]) == ("2026-01-01T12:09:59Z", 1.0)
    assert cluster["nodes"] == {**NODES, "fixed": True}
    assert cluster["largest_holes"] == HOLES
    (namespace,) = cluster["namespaces"]
    memory = {usage["resource"]: usage for usage in namespace["resources"]}["requests.memory"]
    assert (memory["hard"], memory["used"], memory["free"]) == (100 * GIB, 60 * GIB, 40 * GIB)
    assert memory["holder"] == "quota compute"


def test_what_was_promised_is_no_longer_free(site, picture):
    picture()
    job_id = site.job()
    with site.database.session() as session, session.begin():
        job = session.get_one(Job, job_id)
        until = LATER + datetime.timedelta(minutes=5)
        give_grant(session, job, unchecked=False, now=LATER, valid_until=until)

    resources = site.get("/capacity").json()["clusters"][0]["namespaces"][0]["resources"]

    memory = {usage["resource"]: usage for usage in resources}["requests.memory"]
    assert (memory["granted"], memory["free"]) == (3 * GIB, 37 * GIB)


def test_a_declared_capacity_that_is_tighter_than_the_quota_holds(site, picture):
    picture()
    with site.database.session() as session, session.begin():
        session.execute(update(Queue).values(capacity={"requests.memory": "16Gi"}))

    resources = site.get("/capacity").json()["clusters"][0]["namespaces"][0]["resources"]

    memory = {usage["resource"]: usage for usage in resources}["requests.memory"]
    assert (memory["hard"], memory["free"]) == (16 * GIB, 16 * GIB)
    assert memory["holder"] == "declared capacity of team-a"


def test_no_banner_while_an_arbiter_leads_and_its_picture_is_fresh(site, picture):
    picture()
    lead(site)
    arbiter = site.get("/arbiter").json()
    assert (arbiter["leader"], arbiter["alive"], arbiter["epoch"]) == ("scheduler-0/42/1a2b3c4d", True, 3)
    assert arbiter["banner"] is None


@pytest.mark.parametrize("seconds", [None, -1.0])
def test_the_banner_says_that_no_arbiter_leads(site, picture, seconds):
    """Neither before the first has led nor after the lease of the last has run out."""
    picture()
    if seconds is not None:
        lead(site, seconds)
    arbiter = site.get("/arbiter").json()
    assert (arbiter["leader"], arbiter["alive"]) == (None, False)
    assert arbiter["banner"] == "no arbiter leads: nothing is admitted"


@pytest.mark.parametrize(
    ("shown", "banner"),
    [
        (
            {"fresh": False, "stale_reason": "watch of pods lags 40 s"},
            "picture of spark-prod is stale: watch of pods lags 40 s; nothing is admitted there",
        ),
        ({"age": 90}, "picture of spark-prod is stale: it is 90 s old"),
    ],
)
def test_the_banner_says_that_a_picture_is_stale(site, picture, shown, banner):
    picture(**shown)
    lead(site)
    assert site.get("/arbiter").json()["banner"] == banner


def test_the_banner_says_that_the_arbiter_is_switched_off(site, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "off")
    lead(site)
    assert site.get("/arbiter").json()["banner"] == (
        "the arbiter is switched off ([priority_spark] arbiter = off): jobs do not wait in queues"
    )
