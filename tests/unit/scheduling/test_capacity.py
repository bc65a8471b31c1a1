# SPDX-License-Identifier: Apache-2.0
import pytest

from airflow_priority_spark.scheduling.capacity import charge
from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import (
    Demand,
    PodSet,
    QuotaView,
    Rules,
    describe_blocked,
)
from airflow_priority_spark.scheduling.order import quota_key_rank, resource_of
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.scheduling.usage import tallies_of
from tests.property.scheduling.builders import (
    GIB,
    TEAM_A,
    admitted,
    amounts,
    cluster,
    demand,
    driver_only,
    grant,
    job,
    keys,
    limit_range,
    node,
    pod,
    protecting,
    queue,
    quota,
    snapshot,
)

DEMAND = Demand(
    (
        PodSet("driver", 1, amounts(cpu="1", memory="1Gi"), amounts(memory="2Gi")),
        PodSet(
            "executor",
            3,
            Resources.parse(
                {
                    "cpu": "2",
                    "memory": "4Gi",
                    "ephemeral-storage": "1Gi",
                    "nvidia.com/gpu": 1,
                    "hugepages-2Mi": "2Mi",
                }
            ),
            amounts(cpu="4", memory="4Gi"),
        ),
    ),
    Resources.parse({"count/services": 1, "requests.storage": "30Gi", "count/sparkapplications.example": 1}),
)


@pytest.mark.parametrize(
    ("key", "amount"),
    [
        ("cpu", 7000),
        ("requests.cpu", 7000),
        ("limits.cpu", 12000),
        ("memory", 13 * GIB),
        ("requests.memory", 13 * GIB),
        ("limits.memory", 14 * GIB),
        ("pods", 4),
        ("count/pods", 4),
        ("ephemeral-storage", 3 * GIB),
        ("requests.ephemeral-storage", 3 * GIB),
        ("limits.ephemeral-storage", 0),
        ("requests.nvidia.com/gpu", 3),
        ("nvidia.com/gpu", 3),
        ("hugepages-2Mi", 6 * 2**20),
        ("requests.hugepages-2Mi", 6 * 2**20),
        ("services", 1),
        ("count/services", 1),
        ("count/sparkapplications.example", 1),
        ("requests.storage", 30 * GIB),
        ("services.loadbalancers", 0),
        ("gold.storageclass.storage.k8s.io/requests.storage", 0),
        ("count/configmaps", 0),
    ],
)
def test_a_demand_charges_a_quota_key_as_the_quota_controller_does(key, amount):
    (tally,) = tallies_of(DEMAND).values()
    assert charge(key, tally, DEMAND.objects) == amount


@pytest.mark.parametrize(
    ("key", "resource"),
    [
        ("limits.cpu", "cpu"),
        ("requests.memory", "memory"),
        ("count/pods", "pods"),
        ("requests.storage", "storage"),
        ("gold.storageclass.storage.k8s.io/requests.storage", "storage"),
        ("requests.ephemeral-storage", "ephemeral-storage"),
        ("requests.nvidia.com/gpu", "nvidia.com/gpu"),
        ("count/services", "count/services"),
    ],
)
def test_a_verdict_names_the_resource_behind_the_key(key, resource):
    assert resource_of(key) == resource


def test_verdicts_name_cpu_before_memory_before_pods_before_storage_before_the_rest():
    in_order = ["cpu", "limits.cpu", "requests.memory", "pods", "requests.storage", "ephemeral-storage"]
    in_order += ["requests.nvidia.com/gpu", "count/services"]
    alphabetical = sorted(in_order)
    assert sorted(alphabetical, key=quota_key_rank) == in_order != alphabetical


def verdict_of(view, wants=None, **fields):
    decisions = decide(snapshot(view, [job("a", wants)], **fields), 0.0)
    if decisions.admissions:
        return None
    return decisions.blocked.get("a") or decisions.impossible["a"].why


def test_a_job_that_fits_the_quota_exactly_is_admitted():
    assert (
        verdict_of(cluster(quotas=[quota(keys(requests_cpu="4", requests_memory="4Gi"))]), demand(3)) is None
    )


def test_a_job_one_byte_too_big_for_what_is_free_is_blocked_and_says_so():
    full = quota(keys(requests_memory="96Gi"), used=Resources({"requests.memory": 95 * GIB + 1}))
    assert describe_blocked(verdict_of(cluster(quotas=[full]))) == (
        "memory: needs 1073741824 B, 1073741823 B free of quota team-a"
    )


def test_the_sentence_has_the_numbers():
    room = quota(keys(requests_memory="100Gi"), used=keys(requests_memory="60Gi"))
    assert describe_blocked(verdict_of(cluster(quotas=[room]), driver_only(memory="96Gi"))) == (
        "memory: needs 96 GiB, 40 GiB free of quota team-a"
    )


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        (quota(keys(pods="2"), used=keys(pods="1")), "pods: needs 2, 1 free of quota team-a"),
        (
            quota(Resources({"requests.cpu": 4000}), used=Resources({"requests.cpu": 3500})),
            "cpu: needs 2 CPU, 0.5 CPU free of quota team-a",
        ),
        (
            quota(
                Resources({"limits.ephemeral-storage": 3 * GIB}),
                used=Resources({"limits.ephemeral-storage": GIB}),
            ),
            "ephemeral-storage: needs 3 GiB, 2 GiB free of quota team-a (limits.ephemeral-storage)",
        ),
        (
            quota(Resources({"requests.nvidia.com/gpu": 3}), used=Resources({"requests.nvidia.com/gpu": 2})),
            "nvidia.com/gpu: needs 2, 1 free of quota team-a",
        ),
        (
            quota(Resources({"count/services": 5}), used=Resources({"count/services": 5})),
            "count/services: needs 1, 0 free of quota team-a",
        ),
    ],
)
def test_every_resource_reads_well(view, sentence):
    wants = Demand(
        (
            PodSet(
                "driver",
                1,
                Resources.parse({"cpu": 1, "nvidia.com/gpu": 2}),
                Resources.parse({"ephemeral-storage": "3Gi"}),
            ),
            PodSet("executor", 1, amounts(cpu="1")),
        ),
        Resources({"count/services": 1}),
    )
    assert describe_blocked(verdict_of(cluster(quotas=[view]), wants)) == sentence


def test_the_first_resource_in_the_fixed_order_is_named_whichever_quota_it_is_in():
    views = [
        quota(keys(pods="1"), used=keys(pods="1"), name="a"),
        quota(keys(cpu="1"), used=keys(cpu="1"), name="b"),
    ]
    for order in (views, views[::-1]):
        assert (
            describe_blocked(verdict_of(cluster(quotas=order))) == "cpu: needs 1 CPU, 0 CPU free of quota b"
        )


def test_every_quota_of_the_namespace_must_have_room():
    wide, tight = quota(keys(cpu="100"), name="wide"), quota(keys(cpu="4"), name="tight", used=keys(cpu="4"))
    assert verdict_of(cluster(quotas=[wide, tight])).holder == "quota tight"


def test_a_quota_of_another_namespace_does_not_matter():
    assert verdict_of(cluster(quotas=[quota(keys(cpu="0.5"), namespace="team-b")])) is None


def test_the_greater_of_reported_use_and_own_count_is_used():
    pods = [pod(f"p{n}", "n1") for n in range(3)]
    late = quota(keys(cpu="4"), used=keys(cpu="1"))
    assert verdict_of(cluster(quotas=[late], pods=pods), demand(1)).free == 1000
    ahead = quota(keys(cpu="4"), used=keys(cpu="4"))
    assert verdict_of(cluster(quotas=[ahead], pods=pods), demand(1)).free == 0


def test_a_pod_past_its_grace_is_out_of_the_quota_but_still_an_object():
    pods = [pod("p", "n1", counts_quota=False)]
    assert verdict_of(cluster(quotas=[quota(keys(cpu="1", pods="1"))], pods=pods)) is None
    objects = quota(Resources({"count/pods": 1}))
    assert verdict_of(cluster(quotas=[objects], pods=pods)).resource == "pods"


def test_a_grant_charges_only_the_pods_that_are_not_there_yet():
    view = quota(keys(cpu="8"))
    there = [
        pod("d", "n1", job_id="g", pod_set="driver"),
        pod("e", "n1", job_id="g", pod_set="executor"),
    ]
    for pods in ([], there[:1], there):
        found = verdict_of(cluster(quotas=[view], pods=pods), demand(4), grants=[grant("g", demand(3))])
        assert (found.needed, found.free) == (5000, 4000)


def test_pods_elsewhere_with_the_label_of_a_job_keep_no_promise_of_it():
    copies = [
        pod(role, "n1", namespace="team-b", job_id="g", pod_set=role) for role in ("driver", "executor")
    ]
    granted = [grant("g", demand(3))]
    found = verdict_of(cluster(quotas=[quota(keys(cpu="8"))], pods=copies), demand(4), grants=granted)
    assert (found.needed, found.free) == (5000, 4000)
    nodes = [node(cpu="10")]
    assert verdict_of(cluster(nodes=nodes), demand(5), grants=granted) is None
    found = verdict_of(cluster(nodes=nodes, pods=copies), demand(5), grants=granted)
    assert found.by_nodes, "the copies take 2 CPU, and 4 are promised to the job itself"


def test_pods_beyond_the_demand_are_charged_and_do_not_lower_the_other_sets_promise():
    pods = [pod(f"e{n}", "n1", job_id="g", pod_set="executor") for n in range(5)]
    found = verdict_of(
        cluster(quotas=[quota(keys(cpu="8"))], pods=pods), demand(3), grants=[grant("g", demand(3))]
    )
    assert found.free == 2000  # five executors are there, the driver is promised


def test_a_grants_objects_are_charged_until_all_its_pods_are_there():
    wants = Demand((PodSet("driver", 1, amounts(cpu="1")),), Resources({"count/services": 1}))
    view = quota(Resources({"count/services": 1}))
    assert verdict_of(cluster(quotas=[view]), wants, grants=[grant("g", wants)]).resource == "count/services"
    there = [pod("d", "n1", job_id="g", pod_set="driver")]
    assert verdict_of(cluster(quotas=[view], pods=there), wants, grants=[grant("g", wants)]) is None


def test_declared_capacity_limits_a_namespace_without_quota():
    declared = queue(capacity=keys(cpu="4"))
    found = verdict_of(cluster(pods=[pod("p", "n1", cpu="3")]), demand(1), queues=[declared])
    assert describe_blocked(found) == "cpu: needs 2 CPU, 1 CPU free of declared capacity of team-a"


def test_a_namespace_without_quota_and_declared_capacity_is_not_limited():
    assert verdict_of(cluster(), demand(10_000)) is None


def impossible(view, wants=None, **fields):
    decisions = decide(snapshot(view, [job("a", wants)], **fields), 0.0)
    assert not decisions.admissions
    assert not decisions.blocked
    return describe_blocked(decisions.impossible["a"].why)


def test_a_demand_larger_than_the_quota_fails_at_once():
    view = cluster(quotas=[quota(keys(requests_memory="64Gi"), used=keys(requests_memory="60Gi"))])
    assert impossible(view, driver_only(memory="96Gi")) == (
        "memory: needs 96 GiB, 64 GiB free of quota team-a (even when nothing else runs)"
    )


def test_a_demand_larger_than_the_declared_capacity_fails_at_once():
    assert impossible(cluster(), demand(4), queues=[queue(capacity=keys(cpu="4"))]) == (
        "cpu: needs 5 CPU, 4 CPU free of declared capacity of team-a (even when nothing else runs)"
    )


def test_a_pod_larger_than_the_limit_range_fails_at_once():
    view = cluster(limit_ranges=[limit_range(maximum=amounts(memory="2Gi"))])
    assert impossible(view, demand(2, memory="4Gi")) == (
        "memory: needs 4 GiB, 2 GiB free of limit range small (for one executor container)"
    )


def test_a_quota_of_zero_is_a_limit():
    nothing = QuotaView("team-a", "closed", Resources(), Resources(), frozenset({"pods"}))
    assert impossible(cluster(quotas=[nothing])) == (
        "pods: needs 1, 0 free of quota closed (even when nothing else runs)"
    )


def test_a_namespace_that_does_not_exist_fails_at_once():
    assert impossible(cluster(namespaces=frozenset({"team-b"}))) == (
        "namespace team-a does not exist in the cluster"
    )


def test_a_namespace_is_not_missed_when_namespaces_cannot_be_listed():
    assert verdict_of(cluster(namespaces=None)) is None


@pytest.mark.parametrize("key", ["limits.cpu", "limits.memory"])
def test_a_quota_on_limits_makes_a_demand_without_limits_impossible(key):
    resource = key.removeprefix("limits.")
    assert impossible(cluster(quotas=[quota(Resources.parse({key: "100Gi"}))])) == (
        f"{resource}: quota team-a has {key}, and the driver pods set no {resource} limit: "
        f"Kubernetes refuses such pods"
    )


def test_a_quota_on_requests_makes_a_demand_without_requests_impossible():
    wants = Demand((PodSet("driver", 1, amounts(memory="1Gi")),))
    assert impossible(cluster(quotas=[quota(keys(cpu="4"))]), wants) == (
        "cpu: quota team-a has cpu, and the driver pods set no cpu request: Kubernetes refuses such pods"
    )


@pytest.mark.parametrize(
    "limit_range",
    [
        limit_range(default_limits=keys(cpu="2")),
        limit_range(maximum=keys(cpu="2")),
    ],
    ids=["by its default", "by its maximum"],
)
def test_limits_that_a_limit_range_fills_in_are_charged(limit_range):
    view = quota(keys(limits_cpu="5"))
    assert verdict_of(cluster(quotas=[view], limit_ranges=[limit_range]), demand(1)) is None
    assert "needs 6 CPU, 5 CPU free" in impossible(
        cluster(quotas=[view], limit_ranges=[limit_range]), demand(2)
    )


def test_extended_resources_need_not_be_set():
    assert verdict_of(cluster(quotas=[quota(Resources({"requests.nvidia.com/gpu": 1}))])) is None


def test_an_impossible_job_does_not_hold_up_those_behind_it():
    view = cluster(quotas=[quota(keys(cpu="4"))])
    decisions = decide(snapshot(view, [job("big", demand(9), at=1), job("small", at=2)]), 0.0)
    assert admitted(decisions) == ["small"]
    assert list(decisions.impossible) == ["big"]


def test_where_the_site_lets_impossible_jobs_wait_they_are_blocked_and_never_protect():
    view = cluster(quotas=[quota(keys(cpu="4"))])
    rules = Rules(fail_impossible=False, head_rules=protecting(0))
    waiting = [job("big", demand(9), "normal", at=1), job("small", pool="high", at=2)]
    decisions = decide(snapshot(view, waiting, rules=rules), 1000.0)
    assert not decisions.impossible
    assert decisions.blocked["big"].needed == 10_000
    assert admitted(decisions) == ["small"]
    assert decisions.pools[TEAM_A, "normal"].head_blocked_since == 1000.0
