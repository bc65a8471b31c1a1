# SPDX-License-Identifier: Apache-2.0
"""Requirements 1 to 7: what is asked for, and how room is given."""

from __future__ import annotations

import logging

import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.utils.state import TaskInstanceState

from airflow_priority_spark.cluster.convert import quota as quota_view
from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Rules
from airflow_priority_spark.spark.demand import compute_demand
from airflow_priority_spark.triggers.admission import AdmissionTrigger
from airflow_priority_spark.triggers.spark_application import SparkApplicationTrigger
from tests.cluster.applications import eventually, spark_application
from tests.operator.steps import demand, full_node, request_of
from tests.property.scheduling import builders as picture
from tests.unit.operators.tasks import deferral, submit, task
from tests.unit.spark_cluster import names, task_context

MIB = 2**20


def pods(app, **options):
    return compute_demand(app, **options).demand.pod_sets


def test_01_a_task_defers_before_there_is_an_application_and_while_its_driver_is_pending(
    ref, namespace, kubernetes
):
    spec = full_node(spark_application("pi"))
    queued = deferral(task(ref, namespace, spec=spec).execute, task_context())
    assert isinstance(queued.trigger, AdmissionTrigger)
    assert names(kubernetes, namespace) == []
    following = submit(task(ref, namespace, spec=spec))
    assert isinstance(following, SparkApplicationTrigger), "the worker is free as soon as it has created it"
    eventually(lambda: kubernetes.pods(namespace, "spark-role=driver"), "a driver pod")
    assert kubernetes.pods(namespace, "spark-role=driver")[0].status.phase == "Pending"


def test_02_typed_fields_come_before_conf_and_the_spark_version_decides_the_overhead():
    conf = {"spark.driver.memory": "9g", "spark.driver.minMemoryOverhead": "1g"}
    app = spark_application("pi", memory="512m", sparkConf=conf)
    assert pods({**app, "spec": {**app["spec"], "sparkVersion": "3.5.1"}})[0].requests["memory"] == 896 * MIB
    assert pods({**app, "spec": {**app["spec"], "sparkVersion": "4.0.0"}})[0].requests["memory"] == 1536 * MIB


@pytest.mark.parametrize(
    ("role", "fields", "message"),
    [
        ("driver", {"memory": "4Gi"}, "spec.driver.memory: '4Gi' is not valid; allowed: "),
        ("executor", {"coreRequest": "lots"}, "spec.executor.coreRequest: 'lots' is not valid; allowed: "),
        ("executor", {"instances": -1}, "spec.executor.instances: -1 is not valid; allowed: "),
    ],
)
def test_02_an_impossible_spec_fails_at_once_naming_field_value_and_what_is_allowed(
    ref, role, fields, message
):
    app = spark_application("pi")
    app["spec"][role].update(fields)
    with pytest.raises(AirflowFailException) as caught:
        task(ref, "n", spec=app).execute(task_context())
    assert str(caught.value).startswith(message)


def test_03_driver_and_executors_are_asked_for_separately_with_their_constraints(ref):
    app = spark_application("pi", executors=3)
    app["spec"]["driver"]["nodeSelector"] = {"pool": "stable"}
    app["spec"]["executor"] |= {
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "gpu": {"name": "nvidia.com/gpu", "quantity": 2},
    }
    driver, executor = request_of(deferral(task(ref, "n", spec=app).execute, task_context())).demand.pod_sets
    assert (driver.count, executor.count) == (1, 3)
    assert driver.node_selector == (("pool", "stable"),)
    assert [item.key for item in executor.tolerations] == ["spot"]
    assert executor.requests["nvidia.com/gpu"] == 2
    assert "nvidia.com/gpu" not in driver.requests


def test_03_required_affinity_is_a_constraint_of_its_role():
    def of(operator, *values):
        expression = {"key": "zone", "operator": operator, "values": list(values)}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
        app = spark_application("pi")
        required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
        app["spec"]["executor"]["affinity"] = {"nodeAffinity": required}
        return compute_demand(app)

    one = of("In", "a")
    assert [pods.node_selector for pods in one.demand.pod_sets] == [(), (("zone", "a"),)]
    other = of("NotIn", "a")
    driver, executor = other.demand.pod_sets
    assert (driver.affinity, executor.node_selector) == (one.demand.pod_sets[0].affinity, ())
    [[expression]] = [term.labels for term in executor.affinity.nodes]
    assert expression.holds({"zone": "b"})
    assert not expression.holds({"zone": "a"})
    assert not [line for line in (*one.warnings, *other.warnings) if "affinity" in line]


def test_03_room_in_total_is_not_enough_when_no_node_takes_a_pod():
    nodes = [picture.node(f"n{number}", cpu="4") for number in range(4)]
    queued = [picture.job("j", picture.demand(executors=1, cpu="5"))]
    rules = Rules(fail_impossible=False)
    snapshot = picture.snapshot(picture.cluster(nodes=nodes), queued, rules=rules)
    decisions = decide(snapshot, 0.0)
    assert not decisions.admissions
    assert decisions.blocked["j"].resource == "placement"


@pytest.mark.parametrize(("reserve", "count"), [("initial", 3), ("min", 2), ("max", 8)])
def test_04_dynamic_allocation_reserves_what_is_asked_for(ref, reserve, count):
    dynamic = {"enabled": True, "initialExecutors": 3, "minExecutors": 2, "maxExecutors": 8}
    app = spark_application("pi", dynamicAllocation=dynamic)
    del app["spec"]["executor"]["instances"]
    operator = task(ref, "n", spec=app, dynamic_allocation_reserve=reserve)
    assert request_of(deferral(operator.execute, task_context())).demand.pod_sets[1].count == count


def test_04_an_unbounded_maximum_cannot_be_reserved():
    app = spark_application("pi", dynamicAllocation={"enabled": True})
    with pytest.raises(InvalidManifest, match=r"maxExecutors: None is not valid; allowed: "):
        compute_demand(app, reserve="max")


def test_05_an_admitted_job_counts_before_its_pods_exist(world):
    world.cluster.quotas = {"team-a": {"requests.cpu": "3"}}
    world.defer("first", demand=demand())
    world.defer("second", demand=demand())
    world.cycle(2)
    assert (world.job("first").state, world.job("second").state) == ("admitted", "queued")
    assert world.job("second").verdict["sentence"].startswith("cpu: needs 2 CPU, 1 CPU free")


def test_05_object_counts_of_a_quota_block_too_and_scopes_are_minded(world):
    key = "count/sparkapplications.sparkoperator.k8s.io"
    world.cluster.quotas = {"team-a": {key: "1"}}
    world.defer("first", demand=demand())
    world.defer("second", demand=demand())
    world.cycle(2)
    assert (world.job("second").state, world.job("second").blocking_resource) == ("queued", key)
    raw = {"metadata": {"namespace": "team-a", "name": "q"}, "spec": {"hard": {"pods": "1"}}}
    assert quota_view(raw) is not None
    for scope in ("Terminating", "BestEffort"):
        view = quota_view({**raw, "spec": {**raw["spec"], "scopes": [scope]}})
        assert [minded.name for minded in view.scopes] == [scope]


def test_06_a_job_whose_executors_do_not_fit_gets_nothing_for_its_driver(world):
    world.cluster.quotas = {"team-a": {"requests.cpu": "5"}}
    world.defer("first", demand=demand(executors=2))
    world.defer("second", demand=demand(executors=2))
    world.cycle(2)
    assert world.job("second").state == "queued", "2 CPU are free and it needs 3"
    assert world.grants().keys() == {world.job("first").id}


@pytest.mark.parametrize("state", ["PENDING_RERUN", "FAILING", "SUSPENDING"])
def test_07_a_reservation_is_held_in_every_state_until_the_pods_are_gone(world, state):
    world.defer("first", demand=demand())
    world.cycle()
    world.start("first", state=state)
    world.cluster.pods = []
    world.set_task("first", TaskInstanceState.FAILED)
    world.cycle(2)
    assert world.job("first").state in ("failed", "cancelled")
    assert world.grants(), f"in {state} the operator may make pods again"
    world.vanish("first")
    world.cycle(2)
    assert not world.grants()


def test_07_an_application_that_belongs_to_no_job_is_found(world, caplog):
    world.defer("first", demand=demand())
    world.cycle()
    app = world.start("first")
    world.cluster.apps.clear()
    orphan = app.labels | {"priority-spark/job": "nobody"}
    world.cluster.apps.append(type(app)(namespace="team-a", name="orphan", uid="u", labels=orphan))
    with caplog.at_level(logging.WARNING, "airflow_priority_spark"):
        world.cycle(2)
    assert "Application team-a/orphan of this installation belongs to no job" in caplog.text
