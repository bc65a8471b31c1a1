# SPDX-License-Identifier: Apache-2.0
"""Requirements 8 to 11 and 14 to 16: whose an application is, how it is killed, and what is left of it."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_priority_spark.operators.application import LABEL_FINISHED
from airflow_priority_spark.spark.identity import application_name, job_labels
from airflow_priority_spark.spark.request import ConnectionRef
from tests.cluster.applications import spark_application
from tests.operator.steps import demand, fire
from tests.unit.operators.tasks import INSTANCE, JOB, KEY, admitted, deferral, submit, task
from tests.unit.spark_cluster import DENIED, names, task_context

NAME = application_name(KEY, JOB, 1)
LONG = spark_application("pi", runtime="120s")
FAILING = spark_application("pi", exit_code=3)


def run(operator):
    """Let an admitted task's application come to its end; return what the trigger fires."""
    return fire(submit(operator))


def legacy(ref, namespace, spec=LONG, clear_number=0, **options):
    """Let a task without a queue run until it follows an application; return its trigger."""
    operator = task(ref, namespace, spec=spec, deployment_flow="legacy", **options)
    context = task_context(id=f"attempt-{time.monotonic_ns()}")
    return deferral(
        operator.execute, {**context, "dag_run": SimpleNamespace(clear_number=clear_number)}
    ).trigger


def test_08_the_application_carries_its_identity_under_the_same_name_each_time(ref, namespace, kubernetes):
    first, second = submit(task(ref, namespace, spec=LONG)), submit(task(ref, namespace, spec=LONG))
    assert first.uid == second.uid, "the second creation was answered 409 and taken up"
    assert names(kubernetes, namespace) == [NAME]
    expected = job_labels(INSTANCE, KEY, JOB, 1)
    labels = kubernetes.application(namespace, NAME)["metadata"]["labels"]
    assert {name: labels[name] for name in expected} == expected


def test_08_an_application_of_that_name_with_other_labels_is_not_adopted(ref, namespace, kubernetes):
    theirs = copy.deepcopy(LONG)
    theirs["metadata"]["name"] = NAME
    kubernetes.submit(namespace, theirs)
    with pytest.raises(AirflowException, match="exists already and is not this job's"):
        task(ref, namespace).resume_admitted(task_context(), admitted())
    assert names(kubernetes, namespace) == [NAME]


def test_09_after_a_crash_a_living_or_completed_application_is_gone_on_with(ref, namespace, kubernetes):
    first = legacy(ref, namespace)
    assert legacy(ref, namespace).uid == first.uid
    kubernetes.delete_application(namespace, first.name)
    done = legacy(ref, namespace, spark_application("pi"))
    kubernetes.until_state(namespace, done.name, "COMPLETED")
    assert legacy(ref, namespace).uid == done.uid, "nobody has seen its end yet"


def test_09_a_retry_does_not_take_up_an_application_that_has_failed(ref, namespace, kubernetes):
    failed = legacy(ref, namespace, FAILING)
    kubernetes.until_state(namespace, failed.name, "FAILED")
    assert legacy(ref, namespace).uid != failed.uid


def test_09_a_cleared_task_takes_up_nothing_of_before(ref, namespace, kubernetes):
    options = {"deployment_flow": "legacy", "delete_on_termination": False}
    kept = legacy(ref, namespace, spark_application("pi"), delete_on_termination=False)
    task(ref, namespace, **options).resume_finished(task_context(), fire(kept))
    assert kubernetes.application(namespace, kept.name)["metadata"]["labels"][LABEL_FINISHED] == "completed"
    again = legacy(ref, namespace)
    assert again.uid != kept.uid, "it has ended, and is labelled so"
    cleared = legacy(ref, namespace, clear_number=1)
    assert cleared.uid != again.uid
    assert sorted(names(kubernetes, namespace)) == sorted([kept.name, cleared.name])


def test_09_an_attempt_that_its_scheduler_lost_is_gone_on_with_in_the_queue_too(ref, namespace, kubernetes):
    lost = submit(task(ref, namespace, spec=LONG))
    found = submit(task(ref, namespace, spec=LONG), admission=2, adopt=NAME)
    assert found.uid == lost.uid
    assert names(kubernetes, namespace) == [NAME]


def test_10_a_killed_worker_deletes_what_it_has_created_and_may_be_killed_twice(ref, namespace, kubernetes):
    operator = task(ref, namespace, spec=LONG)
    submit(operator)
    began = time.monotonic()
    operator.on_kill()
    operator.on_kill()
    assert names(kubernetes, namespace) == []
    assert time.monotonic() - began < 30


def test_10_a_worker_killed_while_its_creation_is_under_way_deletes_what_comes_of_it(
    ref, namespace, kubernetes, monkeypatch
):
    operator, created = task(ref, namespace, spec=LONG), []

    def strike(connection, body, labels):
        # The API server gets the creation when the kill has already begun.
        made = threading.Timer(1.0, kubernetes.submit, (namespace, body))
        made.start()
        operator.on_kill()
        made.join()
        created.append(body["metadata"]["name"])
        raise KeyboardInterrupt

    monkeypatch.setattr("airflow_priority_spark.operators.submission.create_application", strike)
    with pytest.raises(KeyboardInterrupt):
        operator.resume_admitted(task_context(), admitted())
    assert (created, names(kubernetes, namespace)) == ([NAME], [])


def test_10_a_worker_killed_while_it_reads_the_end_deletes_the_application_and_keeps_what_is_to_be_kept(
    ref, namespace, kubernetes, monkeypatch
):
    for options, left in (({"delete_on_termination": False}, [NAME]), ({}, [])):
        operator = task(ref, namespace, **options)
        event = run(operator)
        ending = task(ref, namespace, **options)

        def strike(*_, ending=ending, **__):
            ending.on_kill()
            raise KeyboardInterrupt

        monkeypatch.setattr("airflow_priority_spark.operators.driver.copy_log", strike)
        with pytest.raises(KeyboardInterrupt):
            ending.resume_finished(task_context(), event)
        assert names(kubernetes, namespace) == left


def test_10_a_killed_trigger_deletes_by_uid_and_may_be_killed_twice(ref, namespace, kubernetes):
    trigger = submit(task(ref, namespace, spec=LONG))
    kubernetes.delete_application(namespace, NAME)
    theirs = copy.deepcopy(LONG)
    theirs["metadata"]["name"] = NAME
    kubernetes.submit(namespace, theirs)
    asyncio.run(trigger.on_kill())
    assert names(kubernetes, namespace) == [NAME], "another application of the same name lives"
    kubernetes.delete_application(namespace, NAME)
    trigger = submit(task(ref, namespace, spec=LONG))
    asyncio.run(trigger.on_kill())
    asyncio.run(trigger.on_kill())
    assert names(kubernetes, namespace) == []


def test_10_a_triggerer_that_ends_deletes_nothing(ref, namespace, kubernetes):
    trigger = submit(task(ref, namespace, spec=LONG))
    asyncio.run(trigger.cleanup())
    queued = deferral(task(ref, namespace, spec=LONG).execute, task_context()).trigger
    asyncio.run(queued.on_kill())
    asyncio.run(queued.cleanup())
    assert names(kubernetes, namespace) == [NAME]


def test_10_a_killed_waiting_task_leaves_the_queue(world):
    world.cluster.quotas = {"team-a": {"requests.cpu": "2"}}
    world.defer("first", demand=demand())
    world.defer("second", demand=demand())
    world.cycle()
    world.set_task("second", "failed")
    world.cycle()
    assert world.job("second").state == "cancelled"
    world.end("first")
    world.cycle(3)
    assert world.admitted() == ["first"]


def test_11_a_failed_application_is_deleted_unless_it_is_to_be_kept(ref, namespace, kubernetes):
    operator = task(ref, namespace, spec=FAILING)
    with pytest.raises(AirflowException, match="ended as FAILED; driver exit code 3"):
        operator.resume_finished(task_context(), run(operator))
    assert names(kubernetes, namespace) == []
    operator = task(ref, namespace, spec=FAILING, keep_on_failure=True)
    with pytest.raises(AirflowException, match="ended as FAILED"):
        operator.resume_finished(task_context(), run(operator))
    assert kubernetes.application(namespace, NAME)["metadata"]["labels"][LABEL_FINISHED] == "failed"


def test_11_an_application_that_was_given_up_is_deleted_even_where_others_are_kept(
    ref, namespace, kubernetes
):
    options = {"keep_on_failure": True, "delete_on_termination": False, "run_timeout": 1}
    operator = task(ref, namespace, spec=LONG, **options)
    event = run(operator)
    assert event["status"] == "timed_out"
    with pytest.raises(AirflowException, match=r"has run for \d+ s \(run_timeout is 1 s\)"):
        operator.resume_finished(task_context(), event)
    assert names(kubernetes, namespace) == []


def test_11_a_time_to_live_is_set_unless_the_author_has_set_one(ref, namespace, kubernetes):
    submit(task(ref, namespace, spec=LONG, application_ttl=600))
    assert kubernetes.application(namespace, NAME)["spec"]["timeToLiveSeconds"] == 600
    kubernetes.delete_application(namespace, NAME)
    submit(task(ref, namespace, spec=spark_application("pi", timeToLiveSeconds=77)))
    assert kubernetes.application(namespace, NAME)["spec"]["timeToLiveSeconds"] == 77


def test_14_nothing_changes_the_spec_from_creation_to_the_end(ref, namespace, kubernetes):
    operator = task(ref, namespace, delete_on_termination=False)
    trigger = submit(operator)
    created = kubernetes.application(namespace, NAME)
    operator.resume_finished(task_context(), fire(trigger))
    ended = kubernetes.application(namespace, NAME)
    assert ended["metadata"]["labels"][LABEL_FINISHED] == "completed"
    assert ended["spec"] == created["spec"]
    assert ended["metadata"]["generation"] == 1


@pytest.mark.parametrize("flow", ["priority", "legacy"])
def test_15_the_drivers_log_is_in_the_task_log_in_both_flows(ref, namespace, listen, flow):
    operator = task(ref, namespace, deployment_flow=flow, spec=spark_application("pi"))
    trigger = submit(operator) if flow == "priority" else deferral(operator.execute, task_context()).trigger
    said = listen(operator)
    operator.resume_finished(task_context(), fire(trigger))
    assert "[driver] INFO SparkContext: Running Spark for a simulated 0.2 s" in said.lines
    assert any(line.startswith("[driver] ") and "exit code 0" in line for line in said.lines)


def test_15_a_cleanup_that_fails_does_not_hide_the_root_error(cluster, ref, namespace, listen):
    event = run(task(ref, namespace, spec=FAILING))
    denied = ConnectionRef(None, config_file=str(cluster.kubeconfig_of(DENIED)))
    operator = task(denied, namespace)
    said = listen(operator)
    with pytest.raises(AirflowException, match="driver exit code 3"):
        operator.resume_finished(task_context(), {**event, "connection": denied.to_json()})
    assert "could not be deleted: cannot delete sparkapplications" in said.text


def test_16_with_xcom_the_next_task_is_told_of_an_application_that_is_still_there(ref, namespace, kubernetes):
    context = task_context()
    operator = task(ref, namespace, do_xcom_push=True)
    event = run(operator)
    told = operator.resume_finished(context, event)
    kept = kubernetes.application(namespace, told["metadata"]["name"])
    assert kept["metadata"]["uid"] == told["metadata"]["uid"]
    assert kept["metadata"]["labels"][LABEL_FINISHED] == "completed"
    assert kept["spec"]["timeToLiveSeconds"] > 0
    assert told["status"]["applicationState"] == {"state": "COMPLETED"}
    assert "spec" not in told, "a manifest may hold secrets"
    assert context["ti"].xcom == {"pod_name": event["driver_pod"], "pod_namespace": namespace}


def test_16_without_xcom_nothing_is_told_and_nothing_kept(ref, namespace, kubernetes):
    operator = task(ref, namespace)
    assert operator.resume_finished(task_context(), run(operator)) is None
    assert names(kubernetes, namespace) == []


def test_16_a_sidecar_that_nothing_would_read_is_refused(ref):
    spec = spark_application("pi")
    spec["spec"]["driver"]["sidecars"] = [{"name": "airflow-xcom-sidecar", "image": "alpine"}]
    with pytest.raises(AirflowFailException, match=r"^spec.driver.sidecars: 'airflow-xcom-sidecar' is not"):
        task(ref, "n", spec=spec, do_xcom_push=True).execute(task_context())
