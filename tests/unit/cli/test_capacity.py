# SPDX-License-Identifier: Apache-2.0
"""What ``capacity`` prints: what there is, what is used, what was promised and what is left."""

import datetime

import pytest
import yaml

from airflow_priority_spark.store.jobs import give_grant
from airflow_priority_spark.store.snapshots import save_snapshot
from tests.store.rows import CLUSTER, make_job, make_queue

GIB = 2**30
QUOTA = {
    "namespace": "team-a",
    "name": "compute",
    "hard": {"requests.memory": 100 * GIB, "requests.cpu": 40_000, "pods": 50},
    "used": {"requests.memory": 60 * GIB, "requests.cpu": 10_500, "pods": 7},
}
PICTURE = {
    "mode": "quota+nodes",
    "fixed_nodes": True,
    "nodes": {
        "count": 3,
        "ready": 2,
        "allocatable": {"cpu": 12_000, "memory": 48 * GIB},
        "requested": {"cpu": 9_000, "memory": 32 * GIB},
    },
    "largest_holes": [
        {"group": "m5.xlarge", "cpu": 1_500, "memory": 4 * GIB},
        {"group": "r5.4xlarge", "cpu": 500, "memory": 12 * GIB},
    ],
    "quotas": [QUOTA],
}


@pytest.fixture
def now():
    return datetime.datetime.now(datetime.UTC)


@pytest.fixture
def picture(session, queue, now):
    """A picture of ``spark-prod``, and one job of ``team-a`` that was promised 3 GiB and runs no pod yet."""
    save_snapshot(session, CLUSTER, PICTURE, now)
    give_grant(session, make_job(session, queue), unchecked=False, now=now, valid_until=now)
    session.commit()


def memory_of(cluster):
    resources = {each["resource"]: each for each in cluster["namespaces"][0]["resources"]}
    return resources["requests.memory"]


def test_programs_read_hard_used_granted_and_free_nodes_and_holes(picture, airflow):
    (cluster,) = airflow.json("capacity")["clusters"]

    assert (cluster["cluster"], cluster["mode"], cluster["fresh"]) == ("spark-prod", "quota+nodes", True)
    assert cluster["nodes"] == {**PICTURE["nodes"], "fixed": True}
    assert cluster["largest_holes"] == PICTURE["largest_holes"]
    assert [each["namespace"] for each in cluster["namespaces"]] == ["team-a"]
    assert memory_of(cluster) == {
        "resource": "requests.memory",
        "hard": 100 * GIB,
        "used": 60 * GIB,
        "granted": 3 * GIB,
        "free": 37 * GIB,
        "holder": "quota compute",
    }
    assert yaml.safe_load(airflow("capacity", "-o", "yaml"))["clusters"][0]["namespaces"]


@pytest.mark.parametrize("output", ["table", "plain"])
def test_people_read_the_same_with_units(picture, airflow, output):
    said = [
        " ".join(line.replace("|", " ").split()) for line in airflow("capacity", "-o", output).splitlines()
    ]

    assert any(line.startswith("spark-prod yes") and "3 2 fixed 3 CPU 16 GiB" in line for line in said)
    assert "spark-prod m5.xlarge 1.5 CPU 4 GiB" in said
    assert "spark-prod team-a requests.memory 100 GiB 60 GiB 3 GiB 37 GiB quota compute" in said
    assert "spark-prod team-a requests.cpu 40 CPU 10.5 CPU 3 CPU 26.5 CPU quota compute" in said
    assert "spark-prod team-a pods 50 pods 7 pods 3 pods 40 pods quota compute" in said


def test_a_stale_picture_says_why(session, queue, now, airflow):
    save_snapshot(
        session, CLUSTER, {**PICTURE, "fresh": False, "stale_reason": "watch of pods lags 40 s"}, now
    )
    session.commit()

    assert airflow.json("capacity")["clusters"][0]["stale_reason"] == "watch of pods lags 40 s"
    assert "watch of pods lags 40 s" in airflow("capacity")


def test_one_namespace_is_shown(session, picture, airflow):
    make_queue(session, "team-b")
    session.commit()

    for name in ("team-a", "team-b"):
        (cluster,) = airflow.json("capacity", "--namespace", name, "--cluster", "spark-prod")["clusters"]
        assert [each["namespace"] for each in cluster["namespaces"]] == [name]


def test_names_that_are_not_there_end_with_code_3_and_say_which_are(picture, airflow):
    assert airflow.ends("capacity", "--namespace", "team-z") == (
        3,
        "priority-spark: no queue is bound for the namespace 'team-z'; there are: team-a\n",
    )
    assert airflow.ends("capacity", "--cluster", "spark-test") == (
        3,
        "priority-spark: there is no picture of a cluster 'spark-test'; there are: spark-prod\n",
    )


def test_before_the_first_picture_there_is_nothing_to_show(database, airflow):
    assert airflow.json("capacity") == {"clusters": []}
    assert airflow("capacity").strip() == "No data found"
    assert airflow.ends("capacity", "--cluster", "x") == (
        3,
        "priority-spark: there is no picture of a cluster 'x'; there are: none yet; an arbiter takes them\n",
    )


def test_tables_that_are_missing_say_which_command_to_run(empty_database, airflow):
    assert airflow.refused("capacity").endswith("run: airflow db migrate")
