# SPDX-License-Identifier: Apache-2.0
"""The last visit: the driver's log, the end, and what is left behind."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowSkipException, TaskDeferred

from airflow_priority_spark.cluster.connections import resolve
from airflow_priority_spark.operators import driver
from airflow_priority_spark.operators.ending import End
from airflow_priority_spark.spark.request import AdmissionRequest, ConnectionRef
from airflow_priority_spark.spark.states import quota_refusal
from airflow_priority_spark.triggers.admission import AdmissionTrigger
from tests.operator.steps import fire, full_node
from tests.unit.operators.tasks import JOB, submit, task
from tests.unit.spark_cluster import DENIED, names, spark_application, task_context


def ended(kubernetes, trigger, status):
    """Wait for the application's end and return what the trigger would fire."""
    deadline = time.monotonic() + 20
    while kubernetes.state(trigger.namespace, trigger.name) not in ("COMPLETED", "FAILED"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found = kubernetes.application(trigger.namespace, trigger.name)["status"]
    return {
        "connection": trigger.connection,
        "status": status,
        "state": found["applicationState"]["state"],
        "message": quota_refusal(found["applicationState"].get("errorMessage", "")),
        "driver_pod": found.get("driverInfo", {}).get("podName", ""),
        "namespace": trigger.namespace,
        "name": trigger.name,
        "uid": trigger.uid,
        "job_id": JOB,
        "admission": 1,
    }


@pytest.fixture
def run(ref, namespace, kubernetes, listen):
    """Run a task's application to its end; return its operator, the event and what the log says."""

    def start(status="completed", *, spec=None, **options):
        operator = task(ref, namespace, spec=spec or spark_application("pi"), **options)
        event = ended(kubernetes, submit(operator), status)
        return operator, event, listen(operator)

    return start


def test_a_completed_application_ends_the_task_with_its_log_and_is_deleted(run, kubernetes, namespace):
    operator, event, said = run()
    operator.resume_finished(task_context(), event)
    assert f"Log of driver pod {event['driver_pod']}:" in said.lines
    assert any(line.startswith("[driver] ") and "exit code 0" in line for line in said.lines)
    assert said.lines[-1] == f"SparkApplication {namespace}/{event['name']} completed"
    assert names(kubernetes, namespace) == []


def test_a_failed_application_fails_the_task_with_state_exit_code_and_the_operators_words(
    run, kubernetes, namespace
):
    operator, event, said = run("failed", spec=spark_application("pi", exit_code=3))
    with pytest.raises(AirflowException) as caught:
        operator.resume_finished(task_context(), event)
    assert str(caught.value).startswith(
        f"SparkApplication {namespace}/{event['name']} ended as FAILED; driver exit code 3; driver container "
    )
    assert "[driver] " in said.text
    assert names(kubernetes, namespace) == []


@pytest.mark.parametrize("codes", [3, (2, 3)])
def test_an_exit_code_that_the_author_skips_on_skips_the_task(run, kubernetes, namespace, codes):
    operator, event, _ = run("failed", spec=spark_application("pi", exit_code=3), skip_on_exit_code=codes)
    with pytest.raises(AirflowSkipException, match="ended as FAILED; driver exit code 3"):
        operator.resume_finished(task_context(), event)
    assert names(kubernetes, namespace) == []


def test_an_application_is_kept_when_asked_to(run, kubernetes, namespace):
    operator, event, said = run(delete_on_termination=False)
    operator.resume_finished(task_context(), event)
    assert "is kept (delete_on_termination)" in said.text
    assert names(kubernetes, namespace) == [event["name"]]


def test_no_log_is_fetched_when_none_is_wanted(run):
    operator, event, said = run(get_logs=False)
    operator.resume_finished(task_context(), event)
    assert "[driver]" not in said.text


def test_what_kubernetes_noted_about_the_driver_is_in_the_log_of_a_failure_when_asked_for(run):
    for wanted in (True, False):
        operator, event, said = run(
            "failed", spec=spark_application("pi", exit_code=3), log_events_on_failure=wanted
        )
        with pytest.raises(AirflowException):
            operator.resume_finished(task_context(), event)
        noted = [line for line in said.lines if line.startswith("[event] ")]
        assert any("Scheduled: Successfully assigned" in line for line in noted) == wanted
        assert noted == sorted(noted, key=lambda line: line.split()[1])


def test_what_kubernetes_noted_about_a_driver_that_never_ran_is_in_the_log_too(ref, namespace, listen):
    spec = full_node(spark_application("pi"))
    operator = task(ref, namespace, spec=spec, driver_scheduling_timeout=1, log_events_on_failure=True)
    event = fire(submit(operator))
    said = listen(operator)
    with pytest.raises(AirflowException, match="driver_scheduling_timeout is 1 s"):
        operator.resume_finished(task_context(), event)
    assert any(line.startswith("[event] ") and " FailedScheduling: 0/" in line for line in said.lines)


def test_the_spark_operators_words_are_read_by_the_worker_and_of_its_own_application_only(run, connection):
    operator, event, _ = run("failed", spec=spark_application("pi", exit_code=3), keep_on_failure=True)
    end = End.from_event(event)
    assert (end.error, "ExitCode: 3" in repr(event)) == ("", False)
    assert "ExitCode: 3" in end.with_error(connection).error
    for other in (replace(end, uid="of-another"), replace(end, status="completed")):
        assert other.with_error(connection).error == ""
    with pytest.raises(AirflowException, match="ExitCode: 3"):
        operator.resume_finished(task_context(), event)


def test_an_end_whose_words_cannot_be_read_is_told_without_them(ref, connection):
    event = {"connection": ref.to_json(), "status": "failed", "state": "FAILED"}
    end = End.from_event({**event, "namespace": "nowhere", "name": "pi", "uid": "u"})
    assert end.with_error(connection) == end
    assert end.sentence("") == "SparkApplication nowhere/pi ended as FAILED"


def test_events_that_may_not_be_read_are_said(cluster, namespace, listen):
    ref = ConnectionRef(None, config_file=str(cluster.kubeconfig_of(DENIED)))
    operator = task(ref, namespace)
    said = listen(operator)
    driver.copy_events(resolve(ref), namespace, "pi-driver", operator.log)
    assert said.text.startswith("The events of driver pod pi-driver cannot be read: 403")


def test_an_application_that_vanished_fails_the_task(ref, namespace):
    event = dict.fromkeys(("state", "driver_pod", "name", "uid", "job_id"), "") | {
        "status": "vanished",
        "message": "SparkApplication n/a was deleted",
        "connection": ref.to_json(),
        "namespace": namespace,
    }
    with pytest.raises(
        AirflowException, match="n/a was deleted before it had ended; nobody told this task why"
    ):
        task(ref, namespace).resume_finished(task_context(), event)


def test_a_driver_refused_by_a_stale_quota_puts_the_task_back_into_the_queue(run, kubernetes, namespace):
    kubernetes.set_quota(namespace, {"requests.cpu": "500m"})
    operator, event, _ = run("failed")
    assert "exceeded quota" in event["message"]
    with pytest.raises(TaskDeferred) as caught:
        operator.resume_finished(task_context(), event)
    assert isinstance(caught.value.trigger, AdmissionTrigger)
    request = AdmissionRequest.from_json(caught.value.trigger.request)
    assert request.reason.startswith("stale quota: ")
    assert "exceeded quota" in request.reason
    assert (request.admission, request.application) == (1, event["name"])
    assert names(kubernetes, namespace) == []


def test_without_a_job_a_refusal_for_a_quota_is_a_failure(run, kubernetes, namespace):
    kubernetes.set_quota(namespace, {"requests.cpu": "500m"})
    operator, event, _ = run("failed")
    with pytest.raises(AirflowException, match=r"ended as FAILED; .*exceeded quota"):
        operator.resume_finished(task_context(), {**event, "job_id": ""})


def test_a_legacy_task_has_no_queue_to_return_to(run, kubernetes, namespace):
    kubernetes.set_quota(namespace, {"requests.cpu": "500m"})
    operator, event, _ = run("failed")
    operator.deployment_flow = "legacy"
    with pytest.raises(AirflowException, match=r"ended as FAILED; .*exceeded quota"):
        operator.resume_finished(task_context(), event)


def test_a_clean_up_that_fails_does_not_hide_how_the_job_ended(run, cluster, namespace, listen):
    _, event, _ = run("failed", spec=spark_application("pi", exit_code=3))
    ref = ConnectionRef(None, config_file=str(cluster.kubeconfig_of(DENIED)))
    operator = task(ref, namespace)
    said = listen(operator)
    with pytest.raises(AirflowException, match="driver exit code 3"):
        operator.resume_finished(task_context(), {**event, "connection": ref.to_json()})
    assert "could not be deleted: cannot delete sparkapplications.sparkoperator.k8s.io" in said.text


def test_a_long_log_is_cut_in_its_middle_with_a_note(run, connection, namespace):
    operator, event, said = run()
    driver.copy_log(connection, namespace, event["driver_pod"], operator.log, limit=100)
    note = f"[driver] … cut after 100 bytes; the last 100 lines of pod {event['driver_pod']}:"
    cut = said.lines.index(note)
    assert 0 < sum(len(line.removeprefix("[driver] ")) for line in said.lines[1:cut]) <= 100
    assert "exit code 0" in said.lines[-1], "how it ended is not cut"


def test_a_log_that_cannot_be_read_is_said(connection, namespace, ref, listen):
    operator = task(ref, namespace)
    said = listen(operator)
    driver.copy_log(connection, namespace, "gone-driver", operator.log)
    assert said.text.startswith("The log of driver pod gone-driver cannot be read: 404")
    assert driver.driver_end(connection, namespace, "gone-driver") == driver.DriverEnd()
