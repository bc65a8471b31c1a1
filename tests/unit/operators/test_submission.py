# SPDX-License-Identifier: Apache-2.0
"""The second visit: the admitted task creates its application, once, or comes back."""

from __future__ import annotations

import copy
import time

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_priority_spark.embedded.process import EmbeddedCluster
from airflow_priority_spark.operators.application import LABEL_CLEAR
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.demand import compute_demand
from airflow_priority_spark.spark.identity import (
    ANNOTATION_TASK,
    LABEL_INSTANCE,
    LABEL_TASK_KEY,
    application_name,
    job_labels,
)
from airflow_priority_spark.spark.request import AdmissionRequest, ConnectionRef, demand_to_json
from airflow_priority_spark.triggers.admission import AdmissionTrigger
from tests.unit.operators.tasks import INSTANCE, JOB, KEY, admitted, deferral, submit, task
from tests.unit.spark_cluster import DENIED, names, spark_application, task_context

NAME = application_name(KEY, JOB, 1)
LABELS = job_labels(INSTANCE, KEY, JOB, 1)
LONG = spark_application("pi", runtime="60s")


def again(operator, event, *demand):
    """Return the request with which a task goes back into the queue."""
    trigger = deferral(operator.resume_admitted, task_context(), event, *demand).trigger
    assert isinstance(trigger, AdmissionTrigger)
    return AdmissionRequest.from_json(trigger.request)


def failure(operator, event, kind=AirflowFailException):
    with pytest.raises(kind) as caught:
        operator.resume_admitted(task_context(), event)
    assert type(caught.value) is kind
    return str(caught.value)


def test_an_admitted_task_creates_its_application_with_its_identity_on_it(ref, namespace, kubernetes, listen):
    operator = task(ref, namespace, labels={"team": "a"}, annotations={"note": "x"})
    said = listen(operator)
    trigger = submit(operator, history=("2026-01-01 queued: waits",))
    app = kubernetes.application(namespace, NAME)
    assert app["metadata"]["labels"] == {"team": "a", **LABELS, LABEL_CLEAR: "0"}
    assert app["spec"]["driver"]["labels"] == app["spec"]["executor"]["labels"] == {"team": "a", **LABELS}
    assert app["metadata"]["annotations"][ANNOTATION_TASK] == "sales/run-1/aggregate"
    assert app["metadata"]["annotations"]["note"] == "x"
    assert app["spec"]["restartPolicy"] == {"type": "Never"}
    assert (trigger.namespace, trigger.name, trigger.uid) == (namespace, NAME, app["metadata"]["uid"])
    assert (trigger.job_id, trigger.admission, trigger.keep_application) == (JOB, 1, False)
    for line in (
        "queued: waits",
        "admitted after 41 s (admission 1)",
        f"SparkApplication {namespace}/{NAME}",
    ):
        assert line in said.text


def test_a_worker_that_runs_twice_takes_up_its_own_application(ref, namespace, kubernetes):
    first = submit(task(ref, namespace, spec=LONG))
    second = submit(task(ref, namespace, spec=LONG))
    assert first.uid == second.uid
    assert names(kubernetes, namespace) == [NAME]


def test_an_application_of_our_name_that_is_not_ours_is_left_alone(ref, namespace, kubernetes):
    theirs = copy.deepcopy(LONG)
    theirs["metadata"].update(name=NAME, labels={"owner": "somebody"})
    uid = kubernetes.submit(namespace, theirs)["metadata"]["uid"]
    message = failure(task(ref, namespace), admitted(), AirflowException)
    assert f"SparkApplication {namespace}/{NAME} exists already and is not this job's" in message
    assert "'owner': 'somebody'" in message
    assert kubernetes.application(namespace, NAME)["metadata"]["uid"] == uid


def test_past_its_validity_an_admission_creates_nothing_and_goes_back(ref, namespace, kubernetes):
    request = again(task(ref, namespace), admitted(valid_until=time.time() - 5, admission=3))
    assert request.reason == "the admission had run out 5 s before a worker took the task up"
    assert request.admission == 3
    assert names(kubernetes, namespace) == []


def test_a_demand_that_has_grown_goes_back_with_the_new_demand(ref, namespace, kubernetes):
    old = demand_to_json(compute_demand(spark_application("pi", executors=1)).demand)
    operator = task(ref, namespace, spec=spark_application("pi", executors=3))
    request = again(operator, admitted(), old)
    assert request.reason == "the demand has grown while the task waited: executors: 3 instead of 1"
    assert request.demand.pod_sets[1].count == 3
    assert names(kubernetes, namespace) == []


def test_a_demand_that_has_shrunk_goes_on(ref, namespace):
    old = demand_to_json(compute_demand(spark_application("pi", executors=3)).demand)
    trigger = deferral(task(ref, namespace).resume_admitted, task_context(), admitted(), old).trigger
    assert trigger.name == NAME


def test_a_lost_attempts_application_is_gone_on_with(ref, namespace, kubernetes):
    lost = submit(task(ref, namespace, spec=LONG))
    trigger = submit(task(ref, namespace, spec=LONG), admission=2, adopt=NAME, valid_until=time.time() - 5)
    assert trigger.uid == lost.uid
    assert names(kubernetes, namespace) == [NAME]


def test_a_lost_attempts_application_that_is_gone_is_replaced(ref, namespace, kubernetes):
    trigger = submit(task(ref, namespace), admission=2, adopt=NAME)
    assert trigger.name == application_name(KEY, JOB, 2)


@pytest.mark.parametrize("outcome", ["cancelled", "impossible"])
def test_a_cancelled_or_impossible_job_fails_with_the_reason(ref, outcome):
    event = {"outcome": outcome, "reason": "cpu: needs 51 CPU, 2 CPU free of quota small"}
    operator = task(ref, "n")
    expected = f"{outcome}: cpu: needs 51 CPU, 2 CPU free of quota small"
    assert failure(operator, AdmissionEvent(**event).to_payload()) == expected
    assert failure(operator, AdmissionEvent(**event, retry=True).to_payload(), AirflowException) == expected


def test_an_unclaimed_task_fails_with_the_triggers_words(ref):
    event = AdmissionEvent(outcome="unclaimed", reason="No arbiter").to_payload()
    assert failure(task(ref, "n", on_unclaimed="fail"), event, AirflowException) == "No arbiter"


def test_an_unclaimed_task_goes_without_a_queue_when_asked_to(ref, namespace, kubernetes):
    event = AdmissionEvent(outcome="unclaimed", reason="No arbiter").to_payload()
    operator = task(ref, namespace, on_unclaimed="legacy")
    trigger = deferral(operator.resume_admitted, task_context(), event).trigger
    assert names(kubernetes, namespace) == [trigger.name]


def test_what_is_no_admission_event_fails_the_task(ref):
    assert "event: None is not valid; allowed: an admission event" in failure(task(ref, "n"), None)


class TestLegacy:
    def test_it_submits_at_once_and_claims_no_instance(self, ref, namespace, kubernetes):
        trigger = deferral(task(ref, namespace, deployment_flow="legacy").execute, task_context()).trigger
        labels = kubernetes.application(namespace, trigger.name)["metadata"]["labels"]
        assert LABEL_INSTANCE not in labels
        assert labels[LABEL_TASK_KEY] == KEY.digest("")

    def test_it_is_the_flow_where_no_arbiter_is_meant_to_run(self, ref, namespace, kubernetes, monkeypatch):
        monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "off")
        trigger = deferral(task(ref, namespace).execute, task_context()).trigger
        assert names(kubernetes, namespace) == [trigger.name]

    def test_a_retry_goes_on_with_a_living_application(self, ref, namespace):
        first = task(ref, namespace, spec=LONG, deployment_flow="legacy")
        second = task(ref, namespace, spec=LONG, deployment_flow="legacy")
        before = deferral(first.execute, task_context()).trigger
        after = deferral(second.execute, task_context(id="attempt-2")).trigger
        assert before.uid == after.uid

    def test_a_retry_replaces_it_when_the_author_wants_no_reattaching(self, ref, namespace):
        options = {"spec": LONG, "deployment_flow": "legacy", "reattach_on_restart": False}
        before = deferral(task(ref, namespace, **options).execute, task_context()).trigger
        after = deferral(task(ref, namespace, **options).execute, task_context(id="attempt-2")).trigger
        assert before.uid != after.uid

    def test_a_person_may_send_a_waiting_job_there(self, ref, namespace, kubernetes):
        event = AdmissionEvent(outcome="legacy", job_id=JOB, instance_id=INSTANCE, admission=1).to_payload()
        deferral(task(ref, namespace).resume_admitted, task_context(), event)
        assert kubernetes.application(namespace, NAME)["metadata"]["labels"] == {**LABELS, LABEL_CLEAR: "0"}


class TestRefusals:
    def test_an_unknown_namespace(self, ref):
        message = failure(task(ref, "nowhere"), admitted())
        assert message.startswith(
            "namespace: 'nowhere' is not valid; allowed: a namespace that exists in cluster"
        )

    def test_no_permission_to_create(self, cluster, namespace):
        ref = ConnectionRef(None, config_file=str(cluster.kubeconfig_of(DENIED)))
        message = failure(task(ref, namespace), admitted())
        assert f"cannot create sparkapplications.sparkoperator.k8s.io in namespace {namespace}" in message
        assert "Grant the verb create on sparkapplications.sparkoperator.k8s.io" in message

    def test_the_crd_is_not_installed(self, tmp_path):
        with EmbeddedCluster.start(
            tmp_path, runtime="simulated", without_crd=True, namespaces={"team": None}
        ) as bare:
            ref = ConnectionRef(None, config_file=str(bare.kubeconfig))
            message = failure(task(ref, "team"), admitted())
        assert "the SparkApplication CRD (sparkapplications.sparkoperator.k8s.io) is not installed" in message
        assert "install the Kubeflow Spark operator" in message

    def test_an_unknown_connection(self):
        operator = task(ConnectionRef("no_such_connection"), "n")
        message = failure(operator, admitted())
        assert message.startswith(
            "kubernetes_conn_id: 'no_such_connection' is not valid; allowed: the id of an"
        )


class TestKill:
    def test_a_killed_worker_deletes_the_application_it_created(self, ref, namespace, kubernetes):
        operator = task(ref, namespace, spec=LONG)
        submit(operator)
        operator.on_kill()
        operator.on_kill()
        assert names(kubernetes, namespace) == []

    def test_it_keeps_it_when_asked_to(self, ref, namespace, kubernetes):
        operator = task(ref, namespace, spec=LONG, on_kill_action="keep_pod")
        assert submit(operator).keep_application
        operator.on_kill()
        assert names(kubernetes, namespace) == [NAME]

    def test_it_touches_nothing_before_it_has_created_anything(self, ref, namespace, kubernetes):
        operator = task(ref, namespace)
        deferral(operator.execute, task_context())
        operator.on_kill()
        assert names(kubernetes, namespace) == []

    def test_it_leaves_what_is_not_its_own(self, ref, namespace, kubernetes):
        theirs = copy.deepcopy(LONG)
        theirs["metadata"]["name"] = NAME
        kubernetes.submit(namespace, theirs)
        operator = task(ref, namespace)
        failure(operator, admitted(), AirflowException)
        operator.on_kill()
        assert names(kubernetes, namespace) == [NAME]
