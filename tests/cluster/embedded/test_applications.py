# SPDX-License-Identifier: Apache-2.0
"""The Spark operator's part: states, pods, retries, and the deadlock this project exists to prevent."""

import time

import pytest
from kubernetes import watch

from tests.cluster.applications import APPLICATIONS, GROUP, eventually, spark_application

pytestmark = pytest.mark.cluster


def states_of(kubernetes, namespace, name):
    """Every state an application went through, read by a watch from its creation to its end."""
    version = kubernetes.submit(namespace, name)["metadata"]["resourceVersion"]
    seen = []
    stream = watch.Watch().stream(
        kubernetes.custom.list_namespaced_custom_object,
        *GROUP,
        namespace,
        APPLICATIONS,
        resource_version=version,
        timeout_seconds=20,
    )
    for event in stream:
        state = event["object"].get("status", {}).get("applicationState", {}).get("state")
        if state and (not seen or seen[-1] != state):
            seen.append(state)
        if state in ("COMPLETED", "FAILED"):
            break
    return seen


def test_a_successful_application(kubernetes, namespace):
    app = spark_application("app", executors=2)
    # An executor that is gone before the operator has seen its end counts as failed.
    app["spec"]["executor"]["deleteOnTermination"] = False
    states = states_of(kubernetes, namespace, app)
    status = kubernetes.application(namespace, "app")["status"]

    assert states == ["SUBMITTED", "RUNNING", "SUCCEEDING", "COMPLETED"]
    assert status["driverInfo"]["podName"] == "app-driver"
    assert status["sparkApplicationId"].startswith("spark-")
    assert (status["submissionAttempts"], status["executionAttempts"]) == (1, 1)
    assert list(status["executorState"].values()) == ["COMPLETED", "COMPLETED"]
    assert status["terminationTime"]
    assert [pod.status.phase for pod in kubernetes.pods(namespace)] == ["Succeeded"] * 3


def test_a_driver_that_ends_deletes_its_executors(kubernetes, namespace):
    assert states_of(kubernetes, namespace, spark_application("app", executors=2))[-1] == "COMPLETED"
    eventually(
        lambda: [pod.status.phase for pod in kubernetes.pods(namespace)] == ["Succeeded"], "executors gone"
    )


def test_a_failing_application(kubernetes, namespace):
    states = states_of(kubernetes, namespace, spark_application("app", exit_code=3))
    status = kubernetes.application(namespace, "app")["status"]
    driver = kubernetes.core.read_namespaced_pod("app-driver", namespace).status

    assert states == ["SUBMITTED", "RUNNING", "FAILING", "FAILED"]
    message = "driver container failed with ExitCode: 3, Reason: Error"
    assert status["applicationState"]["errorMessage"] == message
    assert (driver.phase, driver.container_statuses[0].state.terminated.exit_code) == ("Failed", 3)


def test_an_application_whose_driver_the_quota_refuses(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"requests.cpu": "500m"})

    states = states_of(kubernetes, namespace, spark_application("app"))
    status = kubernetes.application(namespace, "app")["status"]

    assert states == ["SUBMISSION_FAILED", "FAILED"]
    refusal = (
        'Message: pods "app-driver" is forbidden: exceeded quota: quota, requested: requests.cpu=1, '
        "used: requests.cpu=0, limited: requests.cpu=500m."
    )
    assert status["applicationState"]["errorMessage"].startswith("failed to submit spark application: ")
    assert refusal in status["applicationState"]["errorMessage"]
    assert status["submissionAttempts"] == 1
    assert "executionAttempts" not in status


def test_a_memory_string_spark_cannot_read_fails_the_submission(kubernetes, namespace):
    kubernetes.submit(namespace, spark_application("app", memory="1.5g"))

    status = kubernetes.until_state(namespace, "app", "FAILED")

    assert (
        "Fractional values are not supported. Input was: 1.5g" in status["applicationState"]["errorMessage"]
    )


def test_failed_runs_are_repeated_as_the_restart_policy_says(kubernetes, namespace):
    policy = {"type": "OnFailure", "onFailureRetries": 1, "onFailureRetryInterval": 1}

    states = states_of(
        kubernetes, namespace, spark_application("app", exit_code=1, runtime="50ms", restartPolicy=policy)
    )

    once = ["SUBMITTED", "RUNNING", "FAILING"]
    assert states == [*once, "PENDING_RERUN", *once, "FAILED"]
    assert kubernetes.application(namespace, "app")["status"]["executionAttempts"] == 2


def test_a_refused_submission_is_repeated_until_there_is_room(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"requests.cpu": "1"})
    policy = {"type": "OnFailure", "onSubmissionFailureRetries": 20, "onSubmissionFailureRetryInterval": 1}
    kubernetes.submit(namespace, spark_application("app", runtime="50ms", restartPolicy=policy, cores=2))
    kubernetes.until_state(namespace, "app", "SUBMISSION_FAILED")

    kubernetes.core.patch_namespaced_resource_quota(
        "quota", namespace, {"spec": {"hard": {"requests.cpu": "4"}}}
    )

    assert kubernetes.until_state(namespace, "app", "COMPLETED")["submissionAttempts"] > 1


def test_an_application_is_deleted_when_its_time_to_live_is_over(kubernetes, namespace):
    kubernetes.submit(namespace, spark_application("app", timeToLiveSeconds=1))

    def names():
        found = kubernetes.custom.list_namespaced_custom_object(*GROUP, namespace, APPLICATIONS)
        return [app["metadata"]["name"] for app in found["items"]]

    assert names() == ["app"]
    eventually(lambda: not names(), "the application is gone")


def test_driver_and_executor_ask_for_what_spark_asks_for(kubernetes, namespace):
    app = spark_application("app", runtime="1h", mainApplicationFile="local:///job.py", type="Python")
    app["spec"]["driver"] = {"coreRequest": "500m", "cores": 2, "memory": "2g", "labels": {"team": "a"}}
    app["spec"]["executor"] = {
        "cores": 2,
        "memory": "1g",
        "memoryOverhead": "512m",
        "instances": 1,
        "gpu": {"name": "nvidia.com/gpu", "quantity": 0},
        "coreLimit": "3",
    }
    app["spec"]["sparkConf"] = {"spark.executor.pyspark.memory": "256m"}
    kubernetes.submit(namespace, app)
    eventually(lambda: len(kubernetes.pods(namespace)) == 2, "driver and executor")

    (driver,) = kubernetes.pods(namespace, "spark-role=driver,team=a")
    (executor,) = kubernetes.pods(namespace, "spark-role=executor,sparkoperator.k8s.io/app-name=app")

    container = driver.spec.containers[0]
    assert container.name == "spark-kubernetes-driver"
    assert container.resources.requests == {"cpu": "500m", "memory": f"{2048 + 819}Mi"}
    container = executor.spec.containers[0]
    assert container.name == "spark-kubernetes-executor"
    assert container.resources.requests == {
        "cpu": "2",
        "memory": f"{1024 + 512 + 256}Mi",
        "nvidia.com/gpu": "0",
    }
    assert container.resources.limits["cpu"] == "3"
    assert executor.metadata.name.startswith("app-")
    assert executor.metadata.name.endswith("-exec-1")
    assert executor.metadata.owner_references[0].uid == driver.metadata.uid
    for found in (driver, executor):
        assert found.metadata.labels["spark-app-selector"] == driver.metadata.labels["spark-app-selector"]
        assert found.metadata.labels["sparkoperator.k8s.io/launched-by-spark-operator"] == "true"


def test_a_lost_executor_is_replaced(kubernetes, namespace):
    kubernetes.submit(namespace, spark_application("app", runtime="1h"))
    eventually(lambda: kubernetes.pods(namespace, "spark-exec-id=1"), "the first executor")

    (lost,) = kubernetes.pods(namespace, "spark-exec-id=1")
    kubernetes.core.delete_namespaced_pod(lost.metadata.name, namespace)

    eventually(lambda: kubernetes.pods(namespace, "spark-exec-id=2"), "its replacement")
    (found,) = kubernetes.pods(namespace, "spark-exec-id=2")
    assert found.metadata.owner_references[0].uid == lost.metadata.owner_references[0].uid


def test_a_deleted_driver_fails_its_application(kubernetes, namespace):
    kubernetes.submit(namespace, spark_application("app", runtime="1h"))
    kubernetes.until_state(namespace, "app", "RUNNING")

    kubernetes.core.delete_namespaced_pod("app-driver", namespace)

    status = kubernetes.until_state(namespace, "app", "FAILED")
    assert status["applicationState"]["errorMessage"].startswith("driver ")
    assert status["executionAttempts"] == 1
    eventually(lambda: not kubernetes.pods(namespace), "no pods")


def test_drivers_that_fill_the_quota_wait_for_executors_that_never_start(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"requests.cpu": "3"})
    for number in range(3):
        kubernetes.submit(namespace, spark_application(f"app-{number}", executors=2, runtime="10ms"))
    for number in range(3):
        kubernetes.until_state(namespace, f"app-{number}", "RUNNING")

    time.sleep(3)

    assert kubernetes.pods(namespace, "spark-role=executor") == []
    assert [kubernetes.state(namespace, f"app-{number}") for number in range(3)] == ["RUNNING"] * 3
    log = kubernetes.log(namespace, "app-0-driver")
    assert (
        "exceeded quota: quota, requested: requests.cpu=1, used: requests.cpu=3, limited: requests.cpu=3"
        in log
    )

    kubernetes.delete_application(namespace, "app-0")

    eventually(lambda: kubernetes.pods(namespace, "spark-role=executor"), "room for executors")
