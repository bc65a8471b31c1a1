# SPDX-License-Identifier: Apache-2.0
"""Mode ``+dry-run``: what the admission chain answers becomes the verdict."""

import pytest

from airflow_priority_spark.arbiter.asking import refused
from airflow_priority_spark.cluster.connections import resolve
from airflow_priority_spark.cluster.dry_run import ask
from airflow_priority_spark.scheduling.model import PodSet, describe_blocked
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.request import ConnectionRef

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.embedded_only("it fills a cluster of its own"),
    pytest.mark.parametrize("database_kind", ["sqlite"]),
]

QUOTA = {"requests.cpu": "8"}


def test_a_job_whose_pods_the_chain_lets_in_is_admitted_and_nothing_is_left_behind(site):
    site = site(namespaces={"team-a": QUOTA})
    site.defer("spark")
    site.arbiter("quota+dry-run")

    site.until(lambda: site.state("spark") == "admitted", "the job is admitted")

    assert site.kubernetes.core.list_pod_for_all_namespaces().items == []


def test_a_refusal_that_no_count_foresees_is_the_verdict_in_the_servers_words(site):
    """A pod whose priority class does not exist fits every quota, and no pod of the job would be let in."""
    site = site(namespaces={"team-a": QUOTA})
    site.defer_with_class("spark", "no-such-class")
    site.arbiter("quota+dry-run")

    sentence = site.until(lambda: site.sentence("spark"), "the job is blocked")

    assert sentence == (
        "admission: a driver pod would be refused: no PriorityClass with name no-such-class was found"
    )
    assert site.state("spark") == "queued"


def test_a_refused_job_starts_when_the_chain_changes_its_mind(site):
    site = site(namespaces={"team-a": QUOTA})
    site.defer_with_class("spark", "late")
    site.arbiter("quota+dry-run")
    site.until(lambda: site.sentence("spark"), "the job is blocked")

    site.make_class("late", 100)

    site.until(lambda: site.state("spark") == "admitted", "the job is admitted")


def test_a_refused_job_keeps_no_room_from_other_pools(site):
    site = site(namespaces={"team-a": {"requests.cpu": "3"}})
    site.defer_with_class("refused", "no-such-class", priority="high")
    site.defer("other")
    site.arbiter("quota+dry-run")

    site.until(lambda: site.state("other") == "admitted", "the job behind it starts")

    assert site.state("refused") == "queued"


def test_a_quotas_refusal_has_its_numbers(site):
    """The picture is a moment old: the quota has been filled since, which only the chain knows yet."""
    site = site(namespaces={"team-a": {"requests.cpu": "1500m"}})
    connection = resolve(ConnectionRef(conn_id=None, config_file=str(site.kubeconfig)))
    pods = PodSet("executor", 1, Resources({"cpu": 2000, "memory": 2**30}))

    answer = ask(connection, "team-a", pods)

    assert answer.unknown == ""
    assert describe_blocked(refused(pods, answer.refused)) == (
        "cpu: needs 2 CPU, 1.5 CPU free of quota team-a (dry run of an executor pod)"
    )
