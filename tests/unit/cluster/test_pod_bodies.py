# SPDX-License-Identifier: Apache-2.0
"""A placeholder may run where the pod may for which it stands."""

from airflow_priority_spark.cluster.pod_bodies import where
from airflow_priority_spark.scheduling.constraints import (
    Affinity,
    NodeTerm,
    PodTerm,
    Requirement,
    Spread,
    conceal,
)
from airflow_priority_spark.scheduling.model import Demand, PodSet, Toleration
from airflow_priority_spark.scheduling.resources import Resources

ONE = Resources({"cpu": 1000})
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def demand(affinity):
    labels = {"spark-role": "executor", "app": conceal("etl")}
    driver = PodSet("driver", 1, ONE, labels=(("app", conceal("etl")), ("spark-role", "driver")))
    return Demand(
        (driver, PodSet("executor", 2, ONE, affinity=affinity, labels=tuple(sorted(labels.items()))))
    )


def body(affinity):
    wanted = demand(affinity)
    return where(wanted.pod_sets[1], wanted, "job-1")


def own(*sets):
    return {
        "matchExpressions": [
            {"key": "priority-spark/placeholder-for", "operator": "In", "values": ["job-1"]},
            {"key": "priority-spark/pod-set", "operator": "In", "values": list(sets)},
        ]
    }


def test_selector_tolerations_and_node_affinity_are_those_of_the_pod():
    nodes = (NodeTerm((Requirement("zone", "In", ("a", "b")), Requirement("spot", "DoesNotExist"))),)
    pods = PodSet(
        "executor",
        1,
        ONE,
        node_selector=(("disk", "ssd"),),
        tolerations=(Toleration("spark", "Exists"),),
        affinity=Affinity(nodes=nodes),
    )

    found = where(pods, Demand((pods,)), "job-1")

    assert found["nodeSelector"] == {"disk": "ssd"}
    assert found["tolerations"] == [{"key": "spark", "operator": "Exists"}]
    assert found["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"] == [
        {
            "matchExpressions": [
                {"key": "zone", "operator": "In", "values": ["a", "b"]},
                {"key": "spot", "operator": "DoesNotExist"},
            ]
        }
    ]


def test_executors_that_must_be_apart_have_placeholders_that_are_apart():
    term = PodTerm("kubernetes.io/hostname", (Requirement("spark-role", "In", ("executor",)),))

    found = body(Affinity(apart=(term,)))

    assert found["affinity"] == {
        "podAntiAffinity": {
            REQUIRED: [{"topologyKey": "kubernetes.io/hostname", "labelSelector": own("executor")}]
        }
    }


def test_a_term_about_a_label_of_the_author_holds_among_the_placeholders_of_the_job():
    term = PodTerm("zone", (Requirement("app", "In", ("etl",)),))

    assert body(Affinity(near=(term,)))["affinity"]["podAffinity"] == {
        REQUIRED: [{"topologyKey": "zone", "labelSelector": own("driver", "executor")}]
    }


def test_a_term_about_other_jobs_pods_is_left_out():
    others = PodTerm("zone", (Requirement("app", "In", ("web",)),))
    other_jobs = PodTerm("zone", (), job="other")

    assert body(Affinity(near=(others,), apart=(other_jobs,)))["affinity"] == {}


def test_hard_spread_is_kept():
    spread = Spread("zone", 1, (Requirement("spark-role", "In", ("executor",)),), min_domains=2)

    assert body(Affinity(spread=(spread,)))["topologySpreadConstraints"] == [
        {
            "topologyKey": "zone",
            "maxSkew": 1,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": own("executor"),
            "minDomains": 2,
        }
    ]
